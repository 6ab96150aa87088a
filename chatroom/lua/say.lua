-- Sans ce script : un message renvoyé après une panne passe deux fois, une session reprise ailleurs
-- parle encore ici, ou une session abîmée fait taire tous ceux qui parlent en même temps qu'elle.
local room, online = KEYS[1], KEYS[2]
local function say(session, id, owner, author, number, text)
  local current, said, pseudo = unpack(redis.call("HMGET", session, "owner", "said", "pseudo"))
  if not current or not redis.call("ZSCORE", online, id) then return 1012 end
  if current ~= owner then return 4001 end
  if tonumber(number) > tonumber(said) then
    redis.call("XADD", room, "MAXLEN", "~", 50000, "*",
      "kind", "say", "pseudo", pseudo, "author", author, "text", text)
    redis.call("HSET", session, "said", number)
  end
  return 0
end
local replies = {}
for i = 3, #KEYS do
  local done, reply = pcall(say, KEYS[i], unpack(ARGV, 5 * i - 14, 5 * i - 10))
  replies[i - 2] = done and reply or reply.err or reply
end
return replies
