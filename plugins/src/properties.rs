//! What the derives of glib leave to write: read-only structures as properties, and enums whose values say what they mean.

/// The part of `ObjectImpl` that serves properties: those of the derive, which knows no structures, and structures that
/// methods give.
macro_rules! properties {
    ($element:ident; $($name:literal, $nick:literal, $blurb:literal => $getter:ident;)+) => {
        fn properties() -> &'static [gst::glib::ParamSpec] {
            static PROPERTIES: LazyLock<Vec<gst::glib::ParamSpec>> = LazyLock::new(|| {
                let structures = [$(
                    gst::glib::ParamSpecBoxed::builder::<gst::Structure>($name)
                        .nick($nick)
                        .blurb($blurb)
                        .read_only()
                        .build(),
                )+];
                [$element::derived_properties(), &structures].concat()
            });
            PROPERTIES.as_slice()
        }

        fn set_property(&self, id: usize, value: &gst::glib::Value, pspec: &gst::glib::ParamSpec) {
            self.derived_set_property(id, value, pspec);
        }

        fn property(&self, id: usize, pspec: &gst::glib::ParamSpec) -> gst::glib::Value {
            match pspec.name() {
                $($name => self.$getter().to_value(),)+
                _ => self.derived_property(id, pspec),
            }
        }
    };
}

/// An enum of a property: of each value the nick and, in the words of `gst-inspect-1.0`, the meaning. With `for`, values of
/// the core that have the same names.
macro_rules! choices {
    (
        $(#[$attribute:meta])*
        $name:ident, $type_name:literal $(for $core:ty)?;
        $($(#[$default:ident])? $value:ident, $nick:literal, $meaning:literal;)+
    ) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, gst::glib::Enum)]
        #[enum_type(name = $type_name)]
        pub enum $name {
            $(
                $(#[$default])?
                #[doc = $meaning]
                #[enum_value(name = $meaning, nick = $nick)]
                $value,
            )+
        }

        $crate::properties::choices!(@for [$($core)?] $name $($value)+);
    };
    (@for [] $name:ident $($value:ident)+) => {};
    (@for [$core:ty] $name:ident $($value:ident)+) => {
        impl From<$name> for $core {
            fn from(choice: $name) -> Self {
                match choice {
                    $($name::$value => Self::$value,)+
                }
            }
        }
    };
}

pub(crate) use {choices, properties};
