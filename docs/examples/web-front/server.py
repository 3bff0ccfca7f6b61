"""A Python server that is handed its port: its number is the first argument."""
import http.server, socket, sys


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"python {self.path}\n".encode())


listener = socket.socket(fileno=int(sys.argv[1]))
server = http.server.ThreadingHTTPServer(listener.getsockname(), Page, bind_and_activate=False)
server.socket = listener
print("listening on port", listener.getsockname()[1], flush=True)
server.serve_forever()
