import Diagnostics

/// A value inside a JSON file together with its key path, so that every complaint names file and key.
struct JSONField {
    let value: JSONValue
    /// Such as `model.vocab`; empty for the whole document.
    let path: String
    let file: String

    /// - Throws: `RDOError.artefact` with the line of the first syntax error.
    init(parsing bytes: [UInt8], file: String) throws {
        do {
            self.init(value: try JSONParser.parse(bytes), path: "", file: file)
        } catch let error as JSONSyntaxError {
            throw RDOError(
                .artefact, "not a JSON document: \(error.what)", at: "\(file):\(error.line)",
                remedy: "fetch the file again; it is damaged or incomplete")
        }
    }

    private init(value: JSONValue, path: String, file: String) {
        self.value = value
        self.path = path
        self.file = file
    }

    /// The member `key`; nil when it is absent or null, or when this is not an object.
    subscript(key: String) -> JSONField? {
        guard case .object(let members) = value,
            let member = members.last(where: { $0.key.elementsEqual(key.utf8) })
        else { return nil }
        if case .null = member.value { return nil }
        return JSONField(value: member.value, path: path.isEmpty ? key : path + "." + key, file: file)
    }

    /// - Throws: `RDOError.artefact` when the member is absent or null.
    func required(_ key: String) throws -> JSONField {
        guard let member = self[key] else {
            throw RDOError(.artefact, "\(path.isEmpty ? key : path + "." + key) is missing", at: file)
        }
        return member
    }

    func fail(_ what: String, remedy: String? = nil) -> RDOError {
        RDOError(.artefact, "\(path.isEmpty ? "the document" : path) \(what)", at: file, remedy: remedy)
    }

    /// A tokenizer component that this program does not implement.
    func unsupported(_ component: String) -> RDOError {
        fail("is \(component), which is not supported", remedy: "use a tokenizer without it")
    }

    private func mismatch(_ expected: String) -> RDOError { fail("must be \(expected), not \(value.kind)") }

    func bytes() throws -> [UInt8] {
        guard case .string(let bytes) = value else { throw mismatch("a string") }
        return bytes
    }

    func string() throws -> String { String(decoding: try bytes(), as: UTF8.self) }

    func bool() throws -> Bool {
        guard case .bool(let bool) = value else { throw mismatch("true or false") }
        return bool
    }

    func integer() throws -> Int {
        guard case .integer(let integer) = value else { throw mismatch("an integer") }
        return integer
    }

    /// A token id. The bound only keeps a damaged file from claiming gigabytes of vocabulary.
    func tokenID() throws -> Int32 {
        let id = try integer()
        guard (0..<1 << 24).contains(id) else { throw fail("is \(id), which is no token id") }
        return Int32(id)
    }

    func scalar() throws -> Unicode.Scalar {
        let scalars = try string().unicodeScalars
        guard let scalar = scalars.first, scalars.count == 1 else { throw fail("must be a single character") }
        return scalar
    }

    func array() throws -> [JSONField] {
        guard case .array(let elements) = value else { throw mismatch("an array") }
        return elements.enumerated().map { JSONField(value: $1, path: "\(path)[\($0)]", file: file) }
    }

    func members() throws -> [(key: [UInt8], field: JSONField)] {
        guard case .object(let members) = value else { throw mismatch("an object") }
        return members.map { key, value in
            let name = String(decoding: key, as: UTF8.self)
            return (key, JSONField(value: value, path: "\(path)[\"\(name)\"]", file: file))
        }
    }

    /// The `type` of a tokenizer component.
    func componentType() throws -> String { try required("type").string() }
}
