// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A Signaller for applications that carry the messages themselves: what the bin
// sends leaves by its signal "send-message", what came in is taken by its
// action "take-message". Structures: docs/embedding.md.
#pragma once
#include "client/signaller.hpp"
#include <functional>
#include <gst/gst.h>
#include <memory>

namespace robotlive {

// *element* has the signal and outlives the signaller.
std::unique_ptr<Signaller> make_app_signaller (GstElement *element);

// What a structure from the application asks of the listener; empty when it is
// none of ours or lacks a field. Any thread.
std::function<void (SignallerListener &)> read_app_message (
    const GstStructure *message);

} // namespace robotlive
