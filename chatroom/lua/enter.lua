-- Sans ce script : deux personnes ont le même pseudo, ou un retour en retard prend une place.
local room, online, pseudos, session = unpack(KEYS)
local id, seen, owner, name, pseudo, author, server, ttl, presence = unpack(ARGV)
local current = redis.call("HGET", session, "owner") or ""
if current ~= owner then
  if current ~= seen then return "moved" end
  local holder = redis.call("HGET", pseudos, name)
  if holder and holder ~= id and redis.call("ZSCORE", online, holder) then return "taken" end
  local now = redis.call("TIME")[1]
  local entry = {"kind", "enter", "pseudo", pseudo, "author", author}
  if seen ~= "" then entry[2], entry[7], entry[8] = "return", "previous", seen end
  local entered = redis.call("XADD", room, "MAXLEN", "~", 50000, "*", unpack(entry))
  redis.call("HSET", pseudos, name, id)
  redis.call("HSET", session, "pseudo", pseudo, "name", name, "owner", owner, "connected", 1,
    "since", now, "entered", entered, "ttl", ttl, "said", 0, "server", server)
  redis.call("HSETNX", session, "position", entered)
  redis.call("EXPIRE", session, ttl)
  redis.call("ZADD", online, now + presence, id)
end
return redis.call("HMGET", session, "position", "entered")
