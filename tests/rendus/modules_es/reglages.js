export const adresse = "ws://172.20.0.4:9000/echo";
