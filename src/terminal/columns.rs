//! Tables in plain text that lose their least important columns where the terminal is narrow.

/// Between two columns.
const GAP: usize = 2;

/// A column.
pub struct Column {
    title: &'static str,
    right: bool,
    /// The larger, the sooner it goes; 0 stays whatever the width.
    rank: u8,
}

impl Column {
    /// Text, which begins at the left.
    pub const fn text(title: &'static str, rank: u8) -> Self {
        Self { title, right: false, rank }
    }

    /// Numbers, which end at the right.
    pub const fn number(title: &'static str, rank: u8) -> Self {
        Self { title, right: true, rank }
    }
}

/// A line of a table.
pub enum Row {
    /// A line by itself, between rows.
    Heading(String),
    /// A cell for each column.
    Cells(Vec<String>),
}

/// The table in at most `width` columns, if that can be.
pub fn table(columns: &[Column], rows: &[Row], width: usize) -> String {
    let cells = || rows.iter().filter_map(|row| if let Row::Cells(cells) = row { Some(cells) } else { None });
    let widest = |index: usize| {
        let longest = cells().map(|cells| length(&cells[index])).max().unwrap_or(0);
        longest.max(length(columns[index].title))
    };
    let mut kept: Vec<(usize, usize)> = (0..columns.len()).map(|index| (index, widest(index))).collect();
    while kept.iter().map(|(_, width)| width + GAP).sum::<usize>() > width + GAP {
        let Some(last) =
            (0..kept.len()).filter(|&i| columns[kept[i].0].rank > 0).max_by_key(|&i| columns[kept[i].0].rank)
        else {
            break;
        };
        kept.remove(last);
    }

    let titles: Vec<String> = columns.iter().map(|column| column.title.to_owned()).collect();
    let mut text = line(columns, &titles, &kept);
    for row in rows {
        match row {
            Row::Heading(heading) => {
                text.push_str(heading);
                text.push('\n');
            }
            Row::Cells(cells) => text.push_str(&line(columns, cells, &kept)),
        }
    }
    text
}

fn line(columns: &[Column], cells: &[String], kept: &[(usize, usize)]) -> String {
    let mut line = String::new();
    for &(index, width) in kept {
        let cell = &cells[index];
        let padding = " ".repeat(width.saturating_sub(length(cell)));
        let (before, after) = if columns[index].right { (padding.as_str(), "") } else { ("", padding.as_str()) };
        line.extend([before, cell, after, "  "]);
    }
    format!("{}\n", line.trim_end())
}

/// Characters, which are columns in all that is printed here.
fn length(text: &str) -> usize {
    text.chars().count()
}

/// `text` in lines of at most `width` columns, each after the first begun with `indent` spaces.
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
    fn text_is_wrapped_at_words() {
        assert_eq!(wrapped("one two three", 2, 8), "one two\n  three\n");
        assert_eq!(wrapped("unbreakable", 2, 4), "unbreakable\n");
    }
}
