import Foundation

extension URL {
    /// The file at `path` as every system call finds it. Foundation takes a `~` at the beginning for the home directory,
    /// where those take it for a name: a shell has replaced it long before, wherever that was meant.
    package init(ofFile path: String) { self.init(fileURLWithPath: path.hasPrefix("~") ? "./" + path : path) }
}
