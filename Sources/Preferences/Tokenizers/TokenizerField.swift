import Coding
import Diagnostics

/// A tokenizer file that is sound and asks for something that this program does not implement.
struct UnsupportedTokenizer: Error {
    let error: RDOError
}

/// What only tokenizer files hold.
extension JSONField {
    /// A tokenizer component that this program does not implement, and what it does in its place.
    func unsupported(_ component: String, _ supported: String = "tokenizers without it are") -> UnsupportedTokenizer {
        UnsupportedTokenizer(error: fail("is \(component), which is not supported", remedy: "\(supported) supported"))
    }

    /// A token id. The bound only keeps a damaged file from claiming gigabytes of vocabulary.
    func tokenID() throws -> Int32 {
        let id = try integer()
        guard (0..<1 << 24).contains(id) else { throw fail("is \(id), which is no token id") }
        return Int32(id)
    }

    /// The switch `key`, `standard` where the file leaves it out.
    func flag(_ key: String, default standard: Bool = false) throws -> Bool { try self[key]?.bool() ?? standard }

    func scalar() throws -> Unicode.Scalar {
        let scalars = try string().unicodeScalars
        guard let scalar = scalars.first, scalars.count == 1 else { throw fail("must be a single character") }
        return scalar
    }

    /// The `type` of a tokenizer component.
    func componentType() throws -> String { try required("type").string() }
}
