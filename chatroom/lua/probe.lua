-- Sans ce script : un compte de Redis à qui il manque une commande fait un serveur à demi mort.
local room, online, pseudos, session = unpack(KEYS)
local refusals = {}
local function try(command, ...)
  local reply = redis.pcall(command, ...)
  if type(reply) == "table" and reply.err then
    table.insert(refusals, command .. " " .. (... or "") .. "|" .. reply.err)
  end
end
try("TIME")
for _, hash in ipairs({pseudos, session}) do
  try("HSETNX", hash, "?", 1) try("HSET", hash, "?", 1) try("HGET", hash, "?")
  try("HMGET", hash, "?") try("HKEYS", hash)
  if hash == session then try("EXPIRE", hash, 60) end
  try("HDEL", hash, "?")
end
try("ZADD", online, 0, "?") try("ZSCORE", online, "?") try("ZREM", online, "?")
try("XADD", room, "MAXLEN", "~", 50000, "0-0", "kind", "?") -- cet id est toujours refusé
return refusals
