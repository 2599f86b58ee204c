//! The macro behind [`super::settings`]: it makes a flag, a key of `config.toml` and a field of [`Config`](super::Config)
//! of each declaration.

/// A setting's type in `Config`.
macro_rules! whole {
    ($type:ty) => { $type };
    ($type:ty, None) => { Option<$type> };
}

/// A setting's default in `Config`.
macro_rules! default {
    ($type:ty) => {
        None
    };
    ($type:ty, $default:expr) => {{
        let default: $type = $default;
        default.into()
    }};
}

/// What is left of a setting that decides nothing.
macro_rules! unless_decides {
    (nothing) => {
        Default::default()
    };
}

/// Makes `Settings`, `Config` and what goes from one to the other. A declaration reads
///
/// ```text
/// /// The flag's help
/// #[arg(what else clap should know)]
/// name: type | None = default, in range => "its words", excludes other, only Train | Search, decides nothing;
/// ```
///
/// Everything after the type may be left out: `| None` where there is always a value, else the default. A switch is off
/// unless it is named.
macro_rules! settings {
    (
        $($heading:literal {$(
            $(#[doc = $help:tt])+
            $(#[arg($($arg:tt)+)])?
            $name:ident: $type:ty $(| $none:ident)? $(= $default:expr)?
                $(, in $range:expr => $words:literal)? $(, excludes $other:ident)*
                $(, only $($taker:ident)|+)? $(, decides $nothing:ident)?;
        )+})+
        $(switches $switches:literal {$(
            $(#[doc = $switch_help:tt])+
            $switch:ident $(, only $($switch_taker:ident)|+)? $(, decides $switch_nothing:ident)?;
        )+})+
    ) => {
        /// A layer: the settings that a preset, a file or the flags name.
        #[derive(Args, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
        pub struct Settings {
            $($(
                $(#[doc = $help])+
                #[arg(long, help_heading = $heading, $(conflicts_with = stringify!($other),)* $($($arg)+)?)]
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $name: Option<$type>,
            )+)+
            $($(
                $(#[doc = $switch_help])+
                #[arg(long, help_heading = $switches)]
                #[serde(skip_serializing_if = "std::ops::Not::not")]
                pub $switch: bool,
            )+)+
        }

        /// Everything that decides what a training does.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Config {
            $($($(#[doc = $help])+ pub $name: whole!($type $(, $none)?),)+)+
            $($($(#[doc = $switch_help])+ pub $switch: bool,)+)+
        }

        impl Default for Config {
            fn default() -> Self {
                Self { $($($name: default!($type $(, $default)?),)+)+ $($($switch: false,)+)+ }
            }
        }

        impl From<&Config> for Settings {
            fn from(config: &Config) -> Self {
                let config = config.clone();
                Self { $($($name: config.$name.into(),)+)+ $($($switch: config.$switch,)+)+ }
            }
        }

        impl Config {
            /// Lays what `layer` names over this.
            fn lay(&mut self, layer: Settings) {
                $($(
                    if let Some(value) = layer.$name {
                        $(self.$other = None;)*
                        self.$name = value.into();
                    }
                )+)+
                $($(self.$switch |= layer.$switch;)+)+
            }
        }

        impl Settings {
            /// Rejects values outside their ranges, naming the flag.
            fn check_ranges(&self) -> Result<()> {
                $($($(
                    if let Some(value) = &self.$name && !($range).contains(value) {
                        let flag = key(stringify!($name));
                        return Err(Error::Usage(format!("--{flag} {value}: expected {}", $words)));
                    }
                )?)+)+
                Ok(())
            }

            /// Two settings of a layer that exclude each other.
            fn contradiction(&self) -> Option<[&'static str; 2]> {
                $($($(
                    if self.$name.is_some() && self.$other.is_some() {
                        return Some([stringify!($name), stringify!($other)]);
                    }
                )*)+)+
                None
            }

            /// All that these settings are, as those of a record from before a setting was there have its default, but for
            /// those that decide no bit of the weights, or whose part in them the images' digest tells.
            #[must_use]
            pub fn deciding(self) -> Self {
                let mut all = Self::from(&Config::default().with(self));
                $($($(all.$name = unless_decides!($nothing);)?)+)+
                $($($(all.$switch = unless_decides!($switch_nothing);)?)+)+
                all
            }

            /// The settings that `taker` does not take as flags, and whether this layer names them.
            pub fn foreign(&self, taker: Taker) -> impl Iterator<Item = (&'static str, bool)> {
                [
                    $($((stringify!($name), &[$($(Taker::$taker),+)?][..], self.$name.is_some()),)+)+
                    $($((stringify!($switch), &[$($(Taker::$switch_taker),+)?][..], self.$switch),)+)+
                ]
                .into_iter()
                .filter(move |(_, only, _)| !only.is_empty() && !only.contains(&taker))
                .map(|(name, _, named)| (name, named))
            }
        }
    };
}

pub(super) use {default, settings, unless_decides, whole};
