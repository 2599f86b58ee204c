//! SVG to PNG.

use std::sync::{Arc, LazyLock};

use png::{BitDepth, ColorType, Encoder};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};

use crate::error::{Error, Result};

/// Pixels of the PNG to one of the SVG, for screens and papers of fine resolution.
const SCALE: f32 = 2.0;
/// What made a chart's files: it stands in the first 128 bytes of the SVG, and in those of the PNG, as its `Software`.
pub const SOFTWARE: &str = "cyclone report";

/// The fonts of all charts.
static FONTS: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_data(notosans::REGULAR_TTF.to_vec());
    fonts.load_font_data(notosans::BOLD_TTF.to_vec());
    fonts.set_sans_serif_family("Noto Sans");
    Arc::new(fonts)
});

pub(super) fn render(svg: &str) -> Result<Vec<u8>> {
    let failed = |what: &dyn std::fmt::Display| Error::Internal(format!("a chart as PNG: {what}"));
    let options = Options { fontdb: FONTS.clone(), ..Options::default() };
    let tree = Tree::from_str(svg, &options).map_err(|error| failed(&error))?;
    let size = tree.size();
    let [width, height] = [size.width(), size.height()].map(|pixels| (pixels * SCALE).ceil() as u32);
    let mut pixels = Pixmap::new(width, height).ok_or_else(|| failed(&"it has no size"))?;
    resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut pixels.as_mut());
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, width, height);
    encoder.set_color(ColorType::Rgba);
    encoder.set_depth(BitDepth::Eight);
    encoder.add_text_chunk("Software".into(), SOFTWARE.into()).map_err(|error| failed(&error))?;
    let mut writer = encoder.write_header().map_err(|error| failed(&error))?;
    // A chart has an opaque ground, so its pixels are the same with and without their opacity multiplied in.
    writer.write_image_data(pixels.data()).and_then(|()| writer.finish()).map_err(|error| failed(&error))?;
    Ok(bytes)
}
