-- Sans ce script : un serveur gelé, à son réveil, ferait revivre des sessions que tous ont vues
-- partir.
local online, presence = KEYS[1], ARGV[1]
local now, codes = redis.call("TIME")[1], {}
for i = 2, #KEYS do
  local session, id, me, position = KEYS[i], unpack(ARGV, 3 * i - 4, 3 * i - 2)
  local owner, ttl = unpack(redis.pcall("HMGET", session, "owner", "ttl"))
  if not owner or not redis.call("ZSCORE", online, id) then
    codes[i - 1] = 1012
  elseif owner ~= me then
    codes[i - 1] = 4001
  else
    codes[i - 1] = 0
    redis.call("ZADD", online, now + presence, id)
    redis.call("EXPIRE", session, ttl)
    if position ~= "" then redis.call("HSET", session, "position", position) end
  end
end
return {tonumber(now), codes}
