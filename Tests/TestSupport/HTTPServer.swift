import Foundation
import Synchronization

/// A small HTTP/1.1 server on loopback, for what talks to servers: it can also fail in the ways that servers fail.
package final class HTTPServer: Sendable {
    package struct Request: Sendable {
        package let path: String
        /// Names in lower case.
        package let headers: [String: String]
        package let body: Data
    }

    package enum Answer: Sendable {
        case reply(_ status: Int, _ body: String, headers: [String: String] = [:])
        /// The head promises more bytes than come before the connection closes.
        case cutShort(String)
        /// The connection closes without a word.
        case hangUp
    }

    private struct State {
        var requests: [Request] = []
        var open = 0
        var mostAtOnce = 0
    }

    package let port: Int
    private let listener: Int32
    private let state = Mutex(State())
    private let answer: @Sendable (Request) -> Answer

    package struct Failure: Error { let what: String }

    /// - Parameter answer: called on the connection's own thread, so it may take its time.
    package init(_ answer: @escaping @Sendable (Request) -> Answer) throws {
        self.answer = answer
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        self.listener = listener
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, size) == 0 && listen(listener, 64) == 0 && getsockname(listener, $0, &size) == 0
            }
        }
        guard isBound else { throw Failure(what: String(cString: strerror(errno))) }
        port = Int(UInt16(bigEndian: address.sin_port))
        // The server lives as long as its owner; the thread holds it for the time of a connection.
        Thread { [weak self] in
            while true {
                let connection = accept(listener, nil, nil)
                guard connection >= 0 else { return }
                guard let server = self else {
                    close(connection)
                    return
                }
                Thread { server.serve(connection) }.start()
            }
        }.start()
    }

    deinit {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
    }

    package var url: String { "http://127.0.0.1:\(port)/v1" }
    package var requests: [Request] { state.withLock { $0.requests } }
    /// The most requests that were being answered at the same time.
    package var mostAtOnce: Int { state.withLock { $0.mostAtOnce } }

    /// A port on which nothing listens.
    package static func unusedPort() throws -> Int { try HTTPServer { _ in .hangUp }.port }

    private func serve(_ connection: Int32) {
        defer { close(connection) }
        var bytes: [UInt8] = []
        while let request = Self.next(connection, &bytes) {
            state.withLock { state in
                state.requests.append(request)
                state.open += 1
                state.mostAtOnce = max(state.mostAtOnce, state.open)
            }
            let answer = answer(request)
            state.withLock { $0.open -= 1 }
            guard Self.send(answer, connection) else { return }
        }
    }

    /// Nil when the other side has closed the connection.
    private static func next(_ connection: Int32, _ bytes: inout [UInt8]) -> Request? {
        let end = Array("\r\n\r\n".utf8)
        var head: Range<Int>?
        var expected = 0
        var headers: [String: String] = [:]
        var path = ""
        while true {
            if head == nil, let range = bytes.firstRange(of: end) {
                head = range
                let lines = String(decoding: bytes[..<range.lowerBound], as: UTF8.self).components(separatedBy: "\r\n")
                let words = lines[0].split(separator: " ")
                path = words.count > 1 ? String(words[1]) : ""
                for line in lines.dropFirst() {
                    let parts = line.split(separator: ":", maxSplits: 1)
                    guard parts.count == 2 else { continue }
                    headers[parts[0].lowercased()] = parts[1].trimmingCharacters(in: .whitespaces)
                }
                expected = range.upperBound + (headers["content-length"].flatMap { Int($0) } ?? 0)
            }
            if let head, bytes.count >= expected {
                let body = Data(bytes[head.upperBound..<expected])
                bytes.removeFirst(expected)
                return Request(path: path, headers: headers, body: body)
            }
            var chunk = [UInt8](repeating: 0, count: 1 << 16)
            let count = recv(connection, &chunk, chunk.count, 0)
            guard count > 0 else { return nil }
            bytes += chunk[..<count]
        }
    }

    /// False when the connection is not to be used again.
    private static func send(_ answer: Answer, _ connection: Int32) -> Bool {
        func write(_ text: String) -> Bool {
            let bytes = Array(text.utf8)
            var sent = 0
            while sent < bytes.count {
                let count = bytes[sent...].withUnsafeBytes {
                    Foundation.send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
                guard count > 0 else { return false }
                sent += count
            }
            return true
        }
        switch answer {
        case .reply(let status, let body, let headers):
            let lines = headers.map { "\($0.key): \($0.value)\r\n" }.sorted().joined()
            return write("HTTP/1.1 \(status) X\r\nContent-Length: \(body.utf8.count)\r\n\(lines)\r\n\(body)")
        case .cutShort(let body):
            _ = write("HTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count + 100)\r\n\r\n\(body)")
            return false
        case .hangUp: return false
        }
    }
}
