# adresses de mes VMs (VirtualBox host-only)
HOST = "10.1.1.11"
PORT = 8765
REDIS_HOST = "10.1.1.11"
REDIS_PORT = 6379
