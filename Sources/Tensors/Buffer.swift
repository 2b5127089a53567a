/// `count` floats, 64-byte aligned so that every kernel sees the same alignment on every rank.
///
/// `@unchecked Sendable`: memory without a lock; who hands a buffer to another thread keeps off until that is done.
public final class FloatBuffer: @unchecked Sendable {
    public let count: Int
    /// Who owns the memory when this buffer does not.
    private let owner: AnyObject?
    /// First element; valid while the buffer lives.
    public let pointer: UnsafeMutablePointer<Float>

    /// A buffer of zeros.
    public init(count: Int) {
        precondition(count >= 0, "a buffer cannot have a negative count")
        self.count = count
        owner = nil
        let raw = UnsafeMutableRawPointer.allocate(byteCount: max(count, 1) * MemoryLayout<Float>.stride, alignment: 64)
        pointer = raw.bindMemory(to: Float.self, capacity: max(count, 1))
        pointer.initialize(repeating: 0, count: max(count, 1))
    }

    /// A part of memory that `owner` keeps, aligned like a buffer of its own.
    public init(at pointer: UnsafeMutablePointer<Float>, count: Int, keeping owner: AnyObject) {
        precondition(Int(bitPattern: pointer) % 64 == 0, "a buffer begins at a multiple of 64 bytes")
        (self.count, self.pointer, self.owner) = (count, pointer, owner)
    }

    /// Floats that something of `count` takes up where what follows it begins at a multiple of 64 bytes too.
    public static func padded(_ count: Int) -> Int { (count + 15) / 16 * 16 }

    deinit { if owner == nil { UnsafeMutableRawPointer(pointer).deallocate() } }

    public func fill(_ value: Float) { pointer.update(repeating: value, count: count) }

    /// The elements, for reading and writing in place.
    public var elements: UnsafeMutableBufferPointer<Float> { .init(start: pointer, count: count) }
}

/// A row-major `[rows, columns]` view of a `FloatBuffer` whose rows lie `stride` floats apart. Keeps its buffer alive.
///
/// `@unchecked Sendable`: a value over a `FloatBuffer`, whose rule holds.
public struct Matrix: @unchecked Sendable {
    public let buffer: FloatBuffer
    public let offset: Int
    public let rows: Int
    public let columns: Int
    public let stride: Int

    /// A new matrix of zeros.
    public init(rows: Int, columns: Int) { self.init(FloatBuffer(count: rows * columns), rows: rows, columns: columns) }

    public init(_ buffer: FloatBuffer, offset: Int = 0, rows: Int, columns: Int, stride: Int? = nil) {
        let stride = stride ?? columns
        precondition(rows >= 0 && columns >= 0 && stride >= columns && offset >= 0, "not a matrix")
        precondition(
            rows == 0 || columns == 0 || offset + (rows - 1) * stride + columns <= buffer.count,
            "a matrix must lie inside its buffer")
        (self.buffer, self.offset) = (buffer, offset)
        (self.rows, self.columns, self.stride) = (rows, columns, stride)
    }

    /// First element.
    public var pointer: UnsafeMutablePointer<Float> { buffer.pointer + offset }

    public func row(_ index: Int) -> UnsafeMutablePointer<Float> { pointer + index * stride }

    public subscript(row: Int, column: Int) -> Float {
        get { pointer[row * stride + column] }
        nonmutating set { pointer[row * stride + column] = newValue }
    }

    /// Rows `range`, sharing storage.
    public func rows(_ range: Range<Int>) -> Matrix {
        Matrix(buffer, offset: offset + range.lowerBound * stride, rows: range.count, columns: columns, stride: stride)
    }

    /// Columns `range`, sharing storage.
    public func columns(_ range: Range<Int>) -> Matrix {
        Matrix(buffer, offset: offset + range.lowerBound, rows: rows, columns: range.count, stride: stride)
    }

    /// True when the rows follow each other without gaps.
    public var isContiguous: Bool { stride == columns || rows <= 1 }

    /// All elements of a contiguous matrix.
    public var elements: UnsafeMutableBufferPointer<Float> {
        precondition(isContiguous, "elements of a strided matrix are not contiguous")
        return .init(start: pointer, count: rows * columns)
    }

    public func fill(_ value: Float) {
        for row in 0..<rows { self.row(row).update(repeating: value, count: columns) }
    }

    /// Copies `source`, of the same shape.
    public func copy(from source: Matrix) {
        precondition(rows == source.rows && columns == source.columns, "copy between different shapes")
        for index in 0..<rows { row(index).update(from: source.row(index), count: columns) }
    }
}
