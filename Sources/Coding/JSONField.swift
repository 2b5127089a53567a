import Diagnostics

/// A value inside a JSON file together with its key path, so that every complaint names file and key.
package struct JSONField {
    package let value: JSONValue
    /// Such as `model.vocab`; empty for the whole document.
    package let path: String
    package let file: String
}

extension JSONField {
    /// - Throws: `RDOError.artefact` with the line of the first syntax error.
    package init(parsing bytes: [UInt8], file: String) throws {
        do {
            self.init(value: try JSONParser.parse(bytes), path: "", file: file)
        } catch {
            throw error.error(in: file, bytes)
        }
    }

    /// The member `key`; nil when it is absent or null, or when this is not an object.
    package subscript(key: String) -> JSONField? {
        value[key].map { JSONField(value: $0, path: path(of: key), file: file) }
    }

    /// - Throws: `RDOError.artefact` when the member is absent or null.
    package func required(_ key: String) throws -> JSONField {
        if let member = self[key] { return member }
        throw RDOError(.artefact, "\(path(of: key)) is missing", at: file)
    }

    private func path(of key: String) -> String { path.isEmpty ? key : path + "." + key }

    package func fail(_ what: String, remedy: String? = nil) -> RDOError {
        RDOError(.artefact, "\(path.isEmpty ? "the document" : path) \(what)", at: file, remedy: remedy)
    }

    private func mismatch(_ expected: String) -> RDOError { fail("must be \(expected), not \(value.kind)") }

    package func bytes() throws -> [UInt8] {
        guard case .string(let bytes) = value else { throw mismatch("a string") }
        return bytes
    }

    package func string() throws -> String { String(decoding: try bytes(), as: UTF8.self) }

    package func bool() throws -> Bool {
        guard case .bool(let bool) = value else { throw mismatch("true or false") }
        return bool
    }

    package func integer() throws -> Int {
        guard case .integer(let integer) = value else { throw mismatch("an integer") }
        return integer
    }

    package func array() throws -> [JSONField] {
        guard case .array(let elements) = value else { throw mismatch("an array") }
        return elements.enumerated().map { JSONField(value: $1, path: "\(path)[\($0)]", file: file) }
    }

    package func members() throws -> [(key: [UInt8], field: JSONField)] {
        guard case .object(let members) = value else { throw mismatch("an object") }
        return members.map { key, value in
            let name = String(decoding: key, as: UTF8.self)
            return (key, JSONField(value: value, path: "\(path)[\"\(name)\"]", file: file))
        }
    }
}
