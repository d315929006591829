// Loaded into Node before anything else: whoever opens a connection is told no.
const { Socket } = require("node:net");
Socket.prototype.connect = function () {
  throw new Error("this process may not use the network");
};
