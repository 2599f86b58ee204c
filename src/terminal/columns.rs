//! Tables in plain text that drop their least important columns if the terminal is narrow.

/// A column.
pub struct Column<'a> {
    title: &'a str,
    right: bool,
    /// The larger, the sooner it is dropped; 0 is never dropped.
    rank: u8,
    /// Its width at least.
    width: usize,
    /// Spaces before it, unless it is the first.
    gap: usize,
}

impl<'a> Column<'a> {
    /// Text, aligned left.
    pub const fn text(title: &'a str, rank: u8) -> Self {
        Self { title, right: false, rank, width: 0, gap: 2 }
    }

    /// Numbers, aligned right.
    pub const fn number(title: &'a str, rank: u8) -> Self {
        Self { right: true, ..Self::text(title, rank) }
    }

    /// With a least width, and its own gap before it.
    #[must_use]
    pub const fn wide(self, width: usize, gap: usize) -> Self {
        Self { width, gap, ..self }
    }
}

/// A line of a table.
pub enum Row {
    /// A line by itself, between rows.
    Heading(String),
    /// A cell for each column. If there are fewer, the last one may be of any width.
    Cells(Vec<String>),
}

/// The table in at most `width` columns, if possible.
pub fn table(columns: &[Column<'_>], rows: &[Row], width: usize) -> String {
    let cells = rows.iter().filter_map(|row| if let Row::Cells(cells) = row { Some(cells) } else { None });
    let mut widths: Vec<_> = columns.iter().map(|column| column.width.max(length(column.title))).collect();
    for cells in cells {
        let own = if cells.len() < columns.len() { cells.len() - 1 } else { cells.len() };
        widths.iter_mut().zip(&cells[..own]).for_each(|(width, cell)| *width = (*width).max(length(cell)));
    }
    let mut kept: Vec<usize> = (0..columns.len()).collect();
    let all = |kept: &[usize]| {
        kept.iter().map(|&i| columns[i].gap + widths[i]).sum::<usize>() - kept.first().map_or(0, |&i| columns[i].gap)
    };
    while all(&kept) > width {
        let ranked = kept.iter().enumerate().filter(|&(_, &i)| columns[i].rank > 0);
        let Some((place, _)) = ranked.max_by_key(|&(_, &i)| columns[i].rank) else { break };
        kept.remove(place);
    }
    let line = |cells: &[&str]| {
        let mut line = String::new();
        for &i in kept.iter().filter(|&&i| i < cells.len()) {
            let padding = " ".repeat(widths[i].saturating_sub(length(cells[i])));
            let (before, after) = if columns[i].right { (&*padding, "") } else { ("", &*padding) };
            let gap = if line.is_empty() { String::new() } else { " ".repeat(columns[i].gap) };
            line.extend([&gap, before, cells[i], after]);
        }
        line.truncate(line.trim_end().len());
        line + "\n"
    };
    let titles: Vec<_> = columns.iter().map(|column| column.title).collect();
    let mut text = line(&titles);
    for row in rows {
        match row {
            Row::Heading(heading) => text.extend([heading, "\n"]),
            Row::Cells(cells) => text += &line(&cells.iter().map(String::as_str).collect::<Vec<_>>()),
        }
    }
    text
}

/// Characters; each is one column in all that is printed here.
fn length(text: &str) -> usize {
    text.chars().count()
}

/// `text` in lines of at most `width` columns, all but the first indented by `indent` spaces.
pub fn wrapped(text: &str, indent: usize, width: usize) -> String {
    let mut out = String::new();
    let mut column = 0;
    for word in text.split(' ') {
        if column > 0 && column + 1 + length(word) > width {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            column = indent;
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length(word);
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_important_column_goes_first() {
        let columns = [Column::text("name", 0), Column::text("place", 2), Column::number("error", 1)];
        let rows = [
            Row::Heading("some".into()),
            Row::Cells(vec!["a".into(), "here".into(), "1".into()]),
            Row::Cells(vec!["µ²".into(), "there".into(), "12".into()]),
        ];
        assert_eq!(table(&columns, &rows, 18), "name  place  error\nsome\na     here       1\nµ²    there     12\n");
        assert_eq!(table(&columns, &rows, 17), "name  error\nsome\na         1\nµ²       12\n");
        assert_eq!(table(&columns, &rows, 10), "name\nsome\na\nµ²\n");
        assert_eq!(table(&columns, &rows, 1), "name\nsome\na\nµ²\n");
    }

    #[test]
    fn a_short_row_ends_with_text_of_any_width() {
        let columns = [Column::text("name", 0).wide(6, 0), Column::number("n", 0).wide(3, 1), Column::number("m", 0)];
        let rows = [["a", "1", "20"].map(String::from).to_vec(), ["b", "it failed"].map(String::from).to_vec()];
        let text = table(&columns, &rows.map(Row::Cells), 80);
        assert_eq!(text, "name     n   m\na        1  20\nb      it failed\n");
    }

    #[test]
    fn text_is_wrapped_at_words() {
        assert_eq!(wrapped("one two three", 2, 8), "one two\n  three\n");
        assert_eq!(wrapped("unbreakable", 2, 4), "unbreakable\n");
    }
}
