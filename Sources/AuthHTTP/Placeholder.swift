// AuthHTTP
