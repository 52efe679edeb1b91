//! Rows as raw PostgreSQL binary bytes.
//!
//! A batch is one arena of bytes and a table of cells that point into it, row by row. A column that is copied is never
//! decoded: its cell in the shaped rows points at the same bytes of the same arena. Produced values are appended
//! to the arena. An arena stays far below 4 GiB because batches are bounded in bytes.

/// Where a value lies in its batch's arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    start: u32,
    /// Bytes, or [`Cell::NULL_LEN`].
    len: u32,
}

impl Cell {
    const NULL_LEN: u32 = u32::MAX;

    /// SQL null.
    pub const NULL: Cell = Cell {
        start: 0,
        len: Cell::NULL_LEN,
    };

    /// The value at `start` with `len` bytes.
    pub const fn new(start: u32, len: u32) -> Cell {
        Cell { start, len }
    }

    /// Whether it is SQL null.
    pub const fn is_null(self) -> bool {
        self.len == Cell::NULL_LEN
    }

    /// How many bytes it has; none where it is null.
    pub const fn size(self) -> usize {
        if self.is_null() { 0 } else { self.len as usize }
    }

    /// Its bytes within `arena`; `None` for null.
    pub fn bytes(self, arena: &[u8]) -> Option<&[u8]> {
        if self.is_null() {
            return None;
        }
        let start = self.start as usize;
        Some(&arena[start..start + self.len as usize])
    }
}

/// How much a batch takes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Of its arena.
    pub bytes: usize,
    /// Of its table.
    pub cells: usize,
}

impl Room {
    /// Bytes of both.
    pub fn in_all(self) -> usize {
        self.bytes + self.cells * size_of::<Cell>()
    }

    /// As much as either takes.
    pub fn or(self, other: Room) -> Room {
        Room {
            bytes: self.bytes.max(other.bytes),
            cells: self.cells.max(other.cells),
        }
    }
}

/// Source rows of one entity: `width` cells a row, row after row, in the order in which they were read.
#[derive(Debug, Default, Clone)]
pub struct Batch {
    /// The bytes of all values, source's first, produced ones behind.
    pub arena: Vec<u8>,
    cells: Vec<Cell>,
    width: usize,
}

impl Batch {
    /// An empty batch of rows with `width` columns.
    pub fn new(width: usize) -> Batch {
        Batch {
            arena: Vec::new(),
            cells: Vec::new(),
            width,
        }
    }

    /// An empty batch that takes as much as `room` says before it has to grow.
    pub fn with_room(width: usize, room: Room) -> Batch {
        Batch {
            arena: Vec::with_capacity(room.bytes),
            cells: Vec::with_capacity(room.cells),
            width,
        }
    }

    /// The same with the memory of this one.
    pub fn again(mut self, width: usize, room: Room) -> Batch {
        self.clear();
        self.arena.reserve(room.bytes);
        self.cells.reserve(room.cells);
        Batch { width, ..self }
    }

    /// How much it takes before it has to grow.
    pub fn capacity(&self) -> Room {
        Room {
            bytes: self.arena.capacity(),
            cells: self.cells.capacity(),
        }
    }

    /// How much it takes.
    pub fn room(&self) -> Room {
        Room {
            bytes: self.arena.len(),
            cells: self.cells.len(),
        }
    }

    /// Columns a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows. A batch without columns has none.
    pub fn rows(&self) -> usize {
        self.cells.len().checked_div(self.width).unwrap_or(0)
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// The cell of a row and column.
    pub fn cell(&self, row: usize, column: usize) -> Cell {
        self.cells[row * self.width + column]
    }

    /// The bytes of a row and column; `None` for null.
    pub fn get(&self, row: usize, column: usize) -> Option<&[u8]> {
        self.cell(row, column).bytes(&self.arena)
    }

    /// All cells of a row.
    pub fn row(&self, row: usize) -> &[Cell] {
        &self.cells[row * self.width..(row + 1) * self.width]
    }

    /// Arena and cells, for a reader that appends whole rows. It must leave a multiple of `width` cells.
    pub fn parts_mut(&mut self) -> (&mut Vec<u8>, &mut Vec<Cell>) {
        (&mut self.arena, &mut self.cells)
    }

    /// Appends one row of values.
    pub fn push_row<'v>(&mut self, values: impl IntoIterator<Item = Option<&'v [u8]>>) {
        for value in values {
            let cell = append(&mut self.arena, value);
            self.cells.push(cell);
        }
        debug_assert_eq!(self.cells.len() % self.width.max(1), 0);
    }

    /// Makes the value of a row and column null.
    pub fn forget(&mut self, row: usize, column: usize) {
        self.cells[row * self.width + column] = Cell::NULL;
    }

    /// Puts another value in the place of that of a row and column.
    pub fn replace(&mut self, row: usize, column: usize, bytes: &[u8]) {
        self.cells[row * self.width + column] = append(&mut self.arena, Some(bytes));
    }

    /// Forgets all rows, keeps the memory.
    pub fn clear(&mut self) {
        self.arena.clear();
        self.cells.clear();
    }

    /// Bytes it holds, cells included.
    pub fn bytes(&self) -> usize {
        self.arena.len() + self.cells.len() * size_of::<Cell>()
    }
}

/// Appends a value to an arena and says where it is.
pub fn append(arena: &mut Vec<u8>, value: Option<&[u8]>) -> Cell {
    match value {
        None => Cell::NULL,
        Some(bytes) => {
            let start = arena.len() as u32;
            arena.extend_from_slice(bytes);
            Cell::new(start, bytes.len() as u32)
        }
    }
}

/// Values of several columns for the same rows as a batch, lying in an arena of their own or in the batch's:
/// what an evaluator answered, or what a program produced.
#[derive(Debug, Default, Clone)]
pub struct Table {
    cells: Vec<Cell>,
    width: usize,
}

impl Table {
    /// `rows` times `width` nulls.
    pub fn nulls(rows: usize, width: usize) -> Table {
        Table {
            cells: vec![Cell::NULL; rows * width],
            width,
        }
    }

    /// Columns a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn rows(&self) -> usize {
        self.cells.len().checked_div(self.width).unwrap_or(0)
    }

    /// The cell of a row and column.
    pub fn cell(&self, row: usize, column: usize) -> Cell {
        self.cells[row * self.width + column]
    }

    /// Sets the cell of a row and column.
    pub fn set(&mut self, row: usize, column: usize, cell: Cell) {
        self.cells[row * self.width + column] = cell;
    }

    /// All cells of a row.
    pub fn row(&self, row: usize) -> &[Cell] {
        &self.cells[row * self.width..(row + 1) * self.width]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_as_they_went_in() {
        let mut batch = Batch::new(2);
        batch.push_row([Some(&b"ab"[..]), None]);
        batch.push_row([Some(&b""[..]), Some(&b"c"[..])]);
        assert_eq!(batch.rows(), 2);
        assert_eq!(batch.get(0, 0), Some(&b"ab"[..]));
        assert_eq!(batch.get(0, 1), None);
        assert_eq!(batch.get(1, 0), Some(&b""[..]));
        assert_eq!(batch.get(1, 1), Some(&b"c"[..]));
    }
}
