// A Node server that is handed its port: its number is the first argument.
const http = require("node:http");

const server = http.createServer((request, response) => response.end(`node ${process.version} ${request.url}\n`));
server.listen({ fd: Number(process.argv[2]) }, () => console.log("listening on port", server.address().port));
