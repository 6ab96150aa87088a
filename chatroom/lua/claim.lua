-- Sans ce script : ce qu'un serveur mort n'a pas fini de copier manque à MongoDB, ou ce qui a
-- disparu du stream avant d'être copié y est attendu sans fin.
local room, group, consumer, idle, count = KEYS[1], unpack(ARGV)
local found, gone = {}, 0
for _, pending in ipairs(redis.call("XPENDING", room, group, "IDLE", idle, "-", "+", count)) do
  local id = pending[1]
  local entry = redis.call("XRANGE", room, id, id)[1]
  if entry then
    redis.call("XCLAIM", room, group, consumer, idle, id, "JUSTID")
    table.insert(found, entry)
  else
    redis.call("XACK", room, group, id)
    gone = gone + 1
  end
end
return {found, gone}
