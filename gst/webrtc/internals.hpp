// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What this folder knows of the inside of GStreamer, libnice and Linux, that no
// documentation promises: one row for each. Whether it is so is looked at once
// in a process, and where it is used; where it is not, the row says what is
// done instead. docs/internals.md is made of these rows.
//
// All of it may be called on any thread.
#pragma once
#include <gst/gst.h>
#include <string>
#include <vector>

namespace robotlive {

enum class Internal
{
  SrtpMedia,
  DirectSend,
  WholeLists,
  RtpPads,
  RtcpSignals,
  RtpStatistics,
  TransportFeedback,
  ResendRequests,
  IceAgent,
  PortRange,
  IncomingPad,
  BindingRequests,
  ArrivalTimes,
  ReceivingBin,
  RejectedData,
  DtlsKey,
};

struct InternalRow
{
  Internal id;
  const char *name;     // in the statistics
  const char *expected; // what is thought to be so
  const char *use;      // what is done with it
  const char *fallback; // what is done where it is not so
  const char *versions; // of what, and until when it is needed
  bool (*check) ();     // null: seen where it is used alone
};
const std::vector<InternalRow> &internal_rows ();

// It is as expected, as far as is known.
bool internal_holds (Internal id);
// It was used, and was not there. Said once, as a warning.
void internal_failed (Internal id);
// The names of those that do not hold, in the order of the rows.
std::vector<std::string> failed_internals ();
// The same as field "internals", a list of strings.
void add_internals (GstStructure *stats);

// For tests: as if it did not hold, or as it is again.
void hide_internal (Internal id, bool hidden);

// The rows' checks. Each makes what it looks at; none leaves anything behind.
namespace internal_checks {
bool srtp_media ();
bool direct_send ();
bool whole_lists ();
bool rtp_pads ();
bool rtcp_signals ();
bool rtp_statistics ();
bool transport_feedback ();
bool resend_requests ();
bool ice_agent ();
bool port_range ();
bool incoming_pad ();
bool arrival_times ();
bool rejected_data ();
} // namespace internal_checks

} // namespace robotlive
