// Greets everybody who connects to the listener "hello", and holds its lease meanwhile.
import Glibc
import PosternClient

var listeners = try Listeners.obtain(["hello"], wait: .seconds(5))
let lease = listeners.takeLease()
guard let listener = try listeners.take("hello") else { fatalError("obtain gives every name, or throws") }
print("listening on \(listener.address), from \(listener.source)")
while true {
    let connection = accept(listener.descriptor, nil, nil)
    guard connection >= 0 else { continue }
    _ = write(connection, "hello\r\n", 7)
    close(connection)
}
