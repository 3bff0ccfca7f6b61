"""The app behind the web front: shows what it was asked, and with which headers. On 127.0.0.1:8080."""
import http.server


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"app {self.path}\n".encode())
        for name, value in self.headers.items():
            self.wfile.write(f"{name}: {value}\n".encode())


server = http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Page)
print("listening", flush=True)
server.serve_forever()
