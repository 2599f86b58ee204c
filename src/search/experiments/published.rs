//! The report's published numbers, copied from its pages (KTH, DD2424 Deep Learning in Data Science, 10 April 2019).
//! Accuracies are shares, 0 to 1.

use crate::config::preset::Preset;

/// A row of a published table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// Strength of the penalty.
    pub lambda: f64,
    /// Training accuracy.
    pub train: f64,
    /// Validation accuracy.
    pub validation: f64,
    /// Test accuracy, missing in table 1.
    pub test: Option<f64>,
}

const fn row(lambda: f64, train: f64, validation: f64) -> Row {
    Row { lambda, train, validation, test: None }
}

const fn tested(lambda: f64, train: f64, validation: f64, test: f64) -> Row {
    Row { lambda, train, validation, test: Some(test) }
}

/// Accuracies of one training, or the means of several.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Accuracies {
    /// On the training images.
    pub train: f64,
    /// On the validation images, if published.
    pub validation: Option<f64>,
    /// On the test images.
    pub test: f64,
}

/// Figure 1: `data_batch_1`, one cycle of 2 · 500 steps.
pub const FIGURE_1: Accuracies = Accuracies { train: 0.6167, validation: None, test: 0.4573 };
/// Figure 2: the same images, three cycles of 2 · 800 steps.
pub const FIGURE_2: Accuracies = Accuracies { train: 0.7965, validation: None, test: 0.4559 };
/// Section 4: means of ten runs of the best lambda; their deviations are .0015, .0066 and .0026.
pub const BEST: Accuracies = Accuracies { train: 0.5701, validation: Some(0.5228), test: 0.5207 };
/// Figure 3: one run of the same.
pub const FIGURE_3: Accuracies = Accuracies { train: 0.5722, validation: None, test: 0.5265 };
/// Section 2: shares of the gradient's entries that agree with finite differences to 5 and to 6 decimals. The report says
/// that about 1.60 % differ in the sixth.
pub const GRADIENT: [f64; 2] = [1.0, 0.984];

/// Table 1, the coarse search: 45,000 training images, half-cycles of 900 steps, two cycles.
pub const TABLE_1: [Row; 25] = [
    row(1.686_084_009_956_03e-5, 0.594_044_444_4, 0.519_2),
    row(1.824_773_326_003_08e-5, 0.632_911_111_1, 0.523_2),
    row(2.471_644_715_341_92e-5, 0.655_133_333_3, 0.517_8),
    row(3.503_283_944_422_53e-5, 0.671_711_111_1, 0.509),
    row(3.639_235_046_867_41e-5, 0.685_4, 0.501_2),
    row(7.272_251_102_983_91e-5, 0.696_711_111_1, 0.499),
    row(8.448_379_702_489_24e-5, 0.706_933_333_3, 0.492_4),
    row(0.000_199_594, 0.714_8, 0.487_6),
    row(0.000_244_039_5, 0.721_822_222_2, 0.484_6),
    row(0.000_266_968_7, 0.728_466_666_7, 0.480_2),
    row(0.000_279_652_9, 0.733_733_333_3, 0.48),
    row(0.000_484_987_4, 0.735_644_444_4, 0.476_8),
    row(0.000_634_028_3, 0.738_288_888_9, 0.475_8),
    row(0.000_641_978_6, 0.740_644_444_4, 0.477_6),
    row(0.000_660_229, 0.739_955_555_6, 0.480_8),
    row(0.000_924_803_5, 0.738_8, 0.482_8),
    row(0.000_986_447_8, 0.735_288_888_9, 0.481_6),
    row(0.002_210_287, 0.716_155_555_6, 0.492_8),
    row(0.003_360_803_1, 0.683_288_888_9, 0.508),
    row(0.006_045_179_3, 0.633_444_444_4, 0.523_2),
    row(0.011_315_807_1, 0.580_088_888_9, 0.526),
    row(0.013_393_064_8, 0.564_066_666_7, 0.522_8),
    row(0.029_384_262_6, 0.515_977_777_8, 0.497),
    row(0.032_122_458_8, 0.509_177_777_8, 0.496_6),
    row(0.033_394_331_5, 0.507_888_888_9, 0.494_8),
];

/// Table 2, the fine search: the same with four cycles.
pub const TABLE_2: [Row; 30] = [
    tested(1.952_454_547_799_58e-5, 0.628_222_222_2, 0.511, 0.506_9),
    tested(2.107_148_833_876_06e-5, 0.670_622_222_2, 0.509_8, 0.497),
    tested(2.117_048_041_017_38e-5, 0.695_866_666_7, 0.501_6, 0.487_7),
    tested(2.182_875_992_711_78e-5, 0.716_733_333_3, 0.490_8, 0.483_4),
    tested(2.324_357_086_820_32e-5, 0.732_155_555_6, 0.485_8, 0.473_1),
    tested(2.493_338_482_152_79e-5, 0.743_4, 0.478, 0.468_5),
    tested(2.510_948_883_710_22e-5, 0.754_488_888_9, 0.473_6, 0.460_1),
    tested(2.513_384_257_359_77e-5, 0.762_733_333_3, 0.470_6, 0.459_9),
    tested(2.518_862_579_077_54e-5, 0.771_422_222_2, 0.464, 0.453_9),
    tested(2.584_722_268_479_46e-5, 0.779_755_555_6, 0.460_8, 0.449_8),
    tested(2.672_466_116_793_64e-5, 0.787_355_555_6, 0.458_2, 0.448_5),
    tested(2.951_634_134_555_46e-5, 0.793_688_888_9, 0.458_2, 0.446),
    tested(3.260_651_658_583_08e-5, 0.796_622_222_2, 0.455_8, 0.441_6),
    tested(3.285_652_739_158_34e-5, 0.802_644_444_4, 0.456, 0.442_6),
    tested(3.479_387_795_071_86e-5, 0.807, 0.452_8, 0.439_3),
    tested(0.006_397_038_6, 0.625_511_111_1, 0.520_2, 0.508_1),
    tested(0.006_457_115_6, 0.603_088_888_9, 0.529_8, 0.519_6),
    tested(0.006_687_725_6, 0.600_444_444_4, 0.532_2, 0.521_2),
    tested(0.006_952_831_8, 0.601_577_777_8, 0.536_4, 0.524_5),
    tested(0.007_507_920_5, 0.600_133_333_3, 0.540_6, 0.526_6),
    tested(0.008_275_257_9, 0.595_4, 0.541_4, 0.523_9),
    tested(0.008_496_305_5, 0.594_711_111_1, 0.538_8, 0.526),
    tested(0.008_531_583_9, 0.596_444_444_4, 0.541, 0.528_2),
    tested(0.008_950_028_3, 0.593_2, 0.544, 0.526_5),
    tested(0.009_489_629_7, 0.589_688_888_9, 0.542, 0.526_4),
    tested(0.010_102_785_2, 0.587_355_555_6, 0.539_4, 0.526_2),
    tested(0.010_421_275_4, 0.585_555_555_6, 0.537_4, 0.521_5),
    tested(0.011_343_949_7, 0.581_688_888_9, 0.535_4, 0.522_3),
    tested(0.011_472_039_9, 0.579_533_333_3, 0.535, 0.522_8),
    tested(0.012_136_915_4, 0.576_111_111_1, 0.532_2, 0.521_9),
];

/// The lambdas of a search of the report, in its order.
pub fn lambdas(preset: Preset) -> Option<Vec<f64>> {
    match preset {
        Preset::Table1 => Some(TABLE_1.iter().map(|row| row.lambda).collect()),
        Preset::Table2 => Some(TABLE_2.iter().map(|row| row.lambda).collect()),
        _ => None,
    }
}
