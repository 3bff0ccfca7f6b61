func sayHello() -> CInt { 0 }
