// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once
#include <string>

namespace robotlive {

// Why something was not done: a code for programs, of signaling/PROTOCOL.md or
// docs/elements/sessiongate.md, and one English sentence for people.
struct Refusal
{
  std::string code, message;
};

} // namespace robotlive
