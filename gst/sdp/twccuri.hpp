// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

namespace robotlive {

// The URI of the RTP header extension
// (draft-holmer-rmcat-transport-wide-cc-extensions-01).
constexpr const char *kTwccUri =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

} // namespace robotlive
