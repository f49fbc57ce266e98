#!/usr/bin/env bash
# pictures.sh OUT.pack [FOLDER...]: the pictures that snarm-tiny is taught on, packed small: those of packages of Debian 12
# main, under the licences that their copyright files name, and of folders of one's own. Nothing is installed; 3.7 GB are
# downloaded once, into the folder of OUT.pack.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=${1:?expected the file to write: pictures.sh OUT.pack [FOLDER...]}
shift
packages=(
    tuxpaint-stamps-default redeclipse-data nexuiz-textures supertuxkart-data torcs-data opencv-doc
    plasma-workspace-wallpapers mate-backgrounds gnome-backgrounds ukui-wallpapers openarena-081-textures
    trigger-rally-data megaglest-data warzone2100-data lxqt-themes extremetuxracer-data 0ad-data stellarium-data
)
most=600
work=$(dirname "$out")/pictures
mkdir -p "$work"
folders=()
for package in "${packages[@]}"; do
    if [ ! -e "$work/$package" ]; then
        (cd "$work" && apt-get download -q "$package" && dpkg-deb -x "${package}"_*.deb "$package.part" && rm "${package}"_*.deb)
        mv "$work/$package.part" "$work/$package"
    fi
    folders+=("$work/$package")
done
python3 "$here/pack.py" "$out" "$most" "${folders[@]}" "$@"
