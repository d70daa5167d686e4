// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A webrtcbin as a viewer needs it, with what is done to the elements inside of
// it. Hooks are called on threads of webrtcbin's.
#pragma once
#include "base/glibptr.hpp"
#include "transport/peersettings.hpp"
#include <cstdint>
#include <functional>
#include <gst/gst.h>
#include <vector>

namespace robotlive {

struct WebrtcHooks
{
  bool fec = false; // of the kind ULPFEC, in both descriptions
  // The peer asks for the packet of this number again. False: it does not get
  // it.
  std::function<bool (std::uint16_t)> may_resend;
};

// Null where the element is missing.
GPtr<GstElement> make_webrtc (const PeerSettings &settings, WebrtcHooks hooks);

struct NeededElement
{
  const char *factory;
  const char *package; // of Debian
};
// What webrtcbin is made of.
std::vector<NeededElement> webrtc_elements ();

// The process's DTLS key takes a quarter of a second to make, once. This waits
// for it.
void warm_dtls ();

} // namespace robotlive
