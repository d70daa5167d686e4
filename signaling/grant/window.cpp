// SPDX-License-Identifier: LGPL-2.1-or-later
#include "grant/window.hpp"

namespace robotlive {

WindowState
Window::state (TimeMs now) const
{
  // An empty window is over from the start, never "pending".
  if (now >= ends_at || starts_at >= ends_at)
    return WindowState::Over;
  return now < starts_at ? WindowState::Pending : WindowState::Open;
}

TimeMs
Window::next_change (TimeMs now) const
{
  switch (state (now)) {
    case WindowState::Pending:
      return starts_at;
    case WindowState::Open:
      return ends_at;
    case WindowState::Over:
      break;
  }
  return kNever;
}

bool
Window::overlaps (const Window &other) const
{
  if (starts_at >= ends_at || other.starts_at >= other.ends_at)
    return false;
  return starts_at < other.ends_at && other.starts_at < ends_at;
}

} // namespace robotlive
