//! What the derives of glib leave to write: read-only structures as properties, and enums whose values say what they mean.

use gst::glib;
use gst::prelude::*;

/// Whether the value of a property can be read. C hands over any bytes as text, and the bindings panic at those that are
/// not UTF-8; the property then stays as it is, and the application is warned.
pub(crate) fn is_text(
    element: &impl IsA<gst::Element>,
    value: &glib::Value,
    pspec: &glib::ParamSpec,
) -> bool {
    // A path is the one kind of string that the bindings read as bytes.
    let Ok(Some(bytes)) = value.get::<Option<std::path::PathBuf>>() else { return true };
    if bytes.to_str().is_some() {
        return true;
    }
    gst::element_warning!(
        element,
        gst::ResourceError::Settings,
        ("{}: expected text in UTF-8, found {bytes:?}; the property stays as it was", pspec.name())
    );
    false
}

/// What a property is set to: NULL, where C hands it over for a text that is always there, is its default.
pub(crate) fn or_default<'a>(value: &'a glib::Value, pspec: &'a glib::ParamSpec) -> &'a glib::Value {
    // As bytes: any other reading asks for UTF-8.
    let is_null = value.get::<Option<std::path::PathBuf>>().is_ok_and(|text| text.is_none());
    if is_null { pspec.default_value() } else { value }
}

/// The part of `ObjectImpl` that serves properties: those of the derive, which knows no structures, and structures that
/// methods give. Text that is not UTF-8 is refused but for those properties that are paths.
macro_rules! properties {
    ($element:ident, paths [$($path:literal),*]; $($name:literal, $nick:literal, $blurb:literal => $getter:ident;)+) => {
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
            // Paths may be any bytes.
            const PATHS: &[&str] = &[$($path),*];
            if PATHS.contains(&pspec.name()) || $crate::properties::is_text(&*self.obj(), value, pspec) {
                self.derived_set_property(id, $crate::properties::or_default(value, pspec), pspec);
            }
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
