internal import PosternClient

extension BoundSocket {
    /// `192.0.2.1:25` or `[::]:25`.
    var addressText: String { "\(self.host.text):\(self.port)" }
}
