import CCurl
import Diagnostics
import Foundation

/// What a server answered.
struct HTTPReply: Sendable {
    let status: Int
    let body: [UInt8]
    /// Seconds that the server asks to wait; nil where it does not say.
    let retryAfter: Double?
}

/// Why there is no answer.
enum HTTPFailure: Error, Equatable {
    case timeout
    /// The answer broke off.
    case truncated
    /// Longer than any answer of a judge.
    case tooLong
    case connection(String)
    /// What another try would not change: no certificate that can be trusted, no such protocol.
    case permanent(String)
    /// A stop signal came, and the answer did not within the grace.
    case stopped
}

/// Sends a question to a server and waits for its answer.
///
/// Certificates are checked, and no redirect is followed: the key goes to the host of the address and nowhere else. Each
/// question has a connection of its own: on one that was open before, libcurl would send a question again by itself when the
/// server has closed it, and it would be paid for twice.
enum HTTPClient {
    private static let longestBody = 16 << 20
    /// Seconds that a question on its way may take once a stop signal has come: its answer will be paid for.
    private static let grace = 10.0
    /// libcurl is set up once a process, before any thread.
    private static let isStarted = rdo_curl_start() == CURLE_OK

    /// What the callbacks of one transfer fill and watch.
    private final class Transfer {
        var body: [UInt8] = []
        var isTooLong = false
        var stopSeen: ContinuousClock.Instant?
        var isStopped = false
    }

    /// - Parameters:
    ///   - headers: whole lines.
    ///   - timeout: seconds until the answer is whole.
    static func post(
        _ url: String, headers: [String], body: [UInt8], timeout: Double
    ) throws(HTTPFailure) -> HTTPReply {
        guard isStarted, let handle = curl_easy_init() else { throw .permanent("cannot set up libcurl") }
        defer { curl_easy_cleanup(handle) }
        let transfer = Transfer()
        var list: UnsafeMutablePointer<curl_slist>?
        for header in headers { list = curl_slist_append(list, header) }
        defer { curl_slist_free_all(list) }
        let code = body.withUnsafeBytes { body in
            configure(handle, url, list, body, timeout, transfer)
                ?? withExtendedLifetime(transfer) { curl_easy_perform(handle) }
        }
        if code != CURLE_OK { throw failure(code, transfer) }
        let seconds = Double(rdo_curl_retry_after(handle))
        return HTTPReply(
            status: Int(rdo_curl_status(handle)), body: transfer.body, retryAfter: seconds > 0 ? seconds : nil)
    }

    /// The first failure; nil when all is set.
    private static func configure(
        _ handle: UnsafeMutableRawPointer, _ url: String, _ headers: UnsafeMutablePointer<curl_slist>?,
        _ body: UnsafeRawBufferPointer, _ timeout: Double, _ transfer: Transfer
    ) -> CURLcode? {
        let milliseconds = max(1, Int(timeout * 1000))
        let owner = UnsafeRawPointer(Unmanaged.passUnretained(transfer).toOpaque())
        let codes = [
            rdo_curl_set_text(handle, CURLOPT_URL, url),
            rdo_curl_set_text(handle, CURLOPT_USERAGENT, Version.software.replacing(" ", with: "/")),
            rdo_curl_set_data(handle, CURLOPT_HTTPHEADER, headers),
            rdo_curl_set_data(handle, CURLOPT_POSTFIELDS, body.baseAddress),
            rdo_curl_set_number(handle, CURLOPT_POSTFIELDSIZE, body.count),
            rdo_curl_set_number(handle, CURLOPT_FOLLOWLOCATION, 0),
            rdo_curl_set_number(handle, CURLOPT_SSL_VERIFYPEER, 1),
            rdo_curl_set_number(handle, CURLOPT_SSL_VERIFYHOST, 2),
            rdo_curl_set_number(handle, CURLOPT_TIMEOUT_MS, milliseconds),
            rdo_curl_set_number(handle, CURLOPT_CONNECTTIMEOUT_MS, min(milliseconds, 30_000)),
            // Signals are the program's, and this is one of many threads.
            rdo_curl_set_number(handle, CURLOPT_NOSIGNAL, 1),
            rdo_curl_set_number(handle, CURLOPT_NOPROGRESS, 0),
            rdo_curl_set_writer(handle, keep), rdo_curl_set_data(handle, CURLOPT_WRITEDATA, owner),
            rdo_curl_set_watcher(handle, watch), rdo_curl_set_data(handle, CURLOPT_XFERINFODATA, owner),
        ]
        // libcurl itself knows the system's certificates alone.
        let authorities = ProcessInfo.processInfo.environment["SSL_CERT_FILE"]
        return (codes + (authorities.map { [rdo_curl_set_text(handle, CURLOPT_CAINFO, $0)] } ?? []))
            .first { $0 != CURLE_OK }
    }

    private static let keep: curl_write_callback = { bytes, size, count, owner in
        guard let bytes, let owner else { return 0 }
        let transfer = Unmanaged<Transfer>.fromOpaque(owner).takeUnretainedValue()
        guard transfer.body.count + size * count <= HTTPClient.longestBody else {
            transfer.isTooLong = true
            return 0
        }
        transfer.body += UnsafeRawBufferPointer(start: bytes, count: size * count)
        return size * count
    }

    /// Called about once a second; not 0 ends the transfer.
    private static let watch: curl_xferinfo_callback = { owner, _, _, _, _ in
        guard let owner, StopSignal.isRequested() else { return 0 }
        let transfer = Unmanaged<Transfer>.fromOpaque(owner).takeUnretainedValue()
        let now = ContinuousClock.now
        let seen = transfer.stopSeen ?? now
        transfer.stopSeen = seen
        transfer.isStopped = seen.duration(to: now) >= .seconds(HTTPClient.grace)
        return transfer.isStopped ? 1 : 0
    }

    private static func failure(_ code: CURLcode, _ transfer: Transfer) -> HTTPFailure {
        let text = String(cString: curl_easy_strerror(code))
        switch code {
        case _ where transfer.isStopped: return .stopped
        case _ where transfer.isTooLong: return .tooLong
        case CURLE_OPERATION_TIMEDOUT: return .timeout
        case CURLE_PARTIAL_FILE: return .truncated
        case CURLE_RECV_ERROR, CURLE_HTTP2, CURLE_HTTP2_STREAM:
            return transfer.body.isEmpty ? .connection(text) : .truncated
        case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE, CURLE_URL_MALFORMAT, CURLE_UNSUPPORTED_PROTOCOL,
            CURLE_OUT_OF_MEMORY:
            return .permanent(text)
        default: return .connection(text)
        }
    }
}
