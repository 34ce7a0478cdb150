#!/bin/sh
# Installs a Vulkan driver that runs on the processor (Mesa's lavapipe), so that the engine ort-webgpu can be tested where there is
# no graphics card. On Debian 12, whose own Mesa is too old for WebGPU, it comes from the release's backports. Needs root.
set -eu

. /etc/os-release
if [ "${ID:-}" != debian ] && [ "${ID_LIKE:-}" != debian ]; then
  echo "this is not a Debian: install your system's package of Mesa's Vulkan drivers, 24.0 or newer" >&2
  exit 1
fi

apt-get update
if [ "${VERSION_CODENAME:-}" = bookworm ]; then
  # The same mirror that the release itself comes from.
  mirror=$(apt-get indextargets --format '$(SITE)' 'Codename: bookworm' 'Created-By: Packages' | head -n 1)
  keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  echo "deb [signed-by=$keyring] $mirror bookworm-backports main" >/etc/apt/sources.list.d/bookworm-backports.list
  apt-get update
  apt-get install --yes --no-install-recommends --target-release bookworm-backports mesa-vulkan-drivers
else
  apt-get install --yes --no-install-recommends mesa-vulkan-drivers
fi
apt-get install --yes --no-install-recommends libvulkan1
ls /usr/share/vulkan/icd.d
