-- Sans ce script : un départ est annoncé deux fois, ou celui de quelqu'un qui vient de revenir.
local room, online, pseudos, session = unpack(KEYS)
local id, owner, author = unpack(ARGV)
local current, pseudo, name = unpack(redis.pcall("HMGET", session, "owner", "pseudo", "name"))
local deadline = tonumber(redis.call("ZSCORE", online, id))
if not deadline then return end
if current and current ~= owner and deadline > tonumber(redis.call("TIME")[1]) then return end
if current then
  -- En premier : Redis plein refuse cette écriture, et avec elle tout le script.
  redis.call("XADD", room, "MAXLEN", "~", 50000, "*",
    "kind", "leave", "pseudo", pseudo, "author", author)
  redis.call("HSET", session, "connected", 0)
  redis.call("HDEL", pseudos, name)
else -- expirée avant son départ : on ne sait plus son nom, mais on le libère
  for _, taken in ipairs(redis.call("HKEYS", pseudos)) do
    if redis.call("HGET", pseudos, taken) == id then redis.call("HDEL", pseudos, taken) end
  end
end
redis.call("ZREM", online, id)
