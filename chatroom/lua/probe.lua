-- Sans ce script : un compte de Redis à qui il manque une commande fait un serveur à demi mort.
local room, online, pseudos, session = unpack(KEYS)
local refusals = {}
local function try(...)
  local reply = redis.pcall(...)
  local refused = type(reply) == "table" and reply.err
  if refused then table.insert(refusals, table.concat({...}, " ") .. "|" .. refused) end
end
try("XGROUP", "CREATE", room, "history", "0", "MKSTREAM") try("XINFO", "GROUPS", room)
try("XADD", room, "MAXLEN", "~", 50000, "0-0", "kind", "?") -- cet id est toujours refusé
try("XRANGE", room, "(0", 1) try("XREVRANGE", room, 1, 0) try("XREAD", "STREAMS", room, "$")
try("XREADGROUP", "GROUP", "history", "?", "COUNT", 1, "STREAMS", room, 0)
try("XPENDING", room, "history", "IDLE", 0, "-", "+", 1) try("XACK", room, "history", "0-0")
try("XCLAIM", room, "history", "?", 0, "0-0", "JUSTID")
for _, hash in ipairs({pseudos, session}) do
  try("HSETNX", hash, "?", 1) try("HSET", hash, "?", 1) try("HGET", hash, "?")
  try("HMGET", hash, "?") try("HKEYS", hash) try("HDEL", hash, "?")
end
try("EXPIRE", session, 60) try("ZADD", online, 0, "?") try("ZSCORE", online, "?") try("TIME")
try("ZRANGEBYSCORE", online, 1, 0) try("ZREM", online, "?") return refusals
