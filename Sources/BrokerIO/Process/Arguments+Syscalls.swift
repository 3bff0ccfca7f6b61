internal import CPosternSys

#if !hasFeature(Embedded)
package import BrokerCore
#endif

/// The arguments as the kernel gave them; never read past their count, which may be 0.
@safe package struct Arguments {
    /// How many there are, the program's name included.
    package let count: Int
    /// The arguments themselves, which live as long as the process; nil behind the last.
    let vector: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?

    /// Takes what the entry point was given.
    package init(count: CInt, vector: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) {
        self.count = unsafe vector == nil ? 0 : Int(count)
        unsafe self.vector = unsafe vector
    }

    /// An argument's first 64 bytes; a longer one is marked as truncated.
    @inline(never)
    package func text(_ index: Int) -> TextBuffer<64> {
        var text = TextBuffer<64>()
        if index < self.count, let argument = unsafe self.vector?[index] {
            unsafe text.append(cString: argument)
        }
        return text
    }

    /// An argument's first 128 bytes.
    @inline(never)
    package func path(_ index: Int) -> TextBuffer<128> {
        var text = TextBuffer<128>()
        if index < self.count, let argument = unsafe self.vector?[index] {
            unsafe text.append(cString: argument)
        }
        return text
    }

    /// Becomes the program that the argument at `index` names, sought in PATH; returns only by failing.
    package func execute(_ index: Int) throws(Failure) {
        var error = EINVAL
        if index < self.count, let vector = unsafe self.vector, let file = unsafe vector[index] {
            _ = unsafe execvp(file, vector + index)
            error = cpostern_errno()
        }
        throw Failure(error == ENOENT ? .unavailable : error == EACCES ? .permission : .system) {
            let command = self.text(index)
            $0.append("exec ")
            $0.append(quoted: command.storage.span, TextRange(0, command.count))
            $0.append(": ")
            $0.append(errno: error)
        }
    }
}

/// Writes what --help and --version ask for to standard output.
package func writeOutput(_ text: StaticString) {
    _ = unsafe write(1, text.utf8Start, text.utf8CodeUnitCount)
}
