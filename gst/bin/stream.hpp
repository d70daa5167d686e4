// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Stream: what comes in at one of the bin's pads, as the signaling thread
// knows it.
#pragma once
#include "base/eventloop.hpp"
#include "input/adaptivebitrate.hpp"
#include "input/input.hpp"
#include <memory>
#include <optional>

namespace robotlive {

struct Stream : std::enable_shared_from_this<Stream>
{
  Stream (std::string name, std::shared_ptr<Input> from)
      : pad (std::move (name)), input (std::move (from))
  {
    if (!input->audio ())
      rate.emplace (&input->encoder (), input->tee ());
  }

  bool known () const { return !codec.encoding_name.empty (); }

  const std::string pad; // its name: "sink", "video_0", "audio_0"
  const std::shared_ptr<Input> input;
  StreamCodec codec;                   // without a name: not known yet
  std::string unfit;                   // why no browser shows it; or empty
  std::optional<AdaptiveBitrate> rate; // of pictures
  Timer key_frame_timer;
  // What gates upstream were told last.
  std::int64_t announced_end = -1;
  guint announced_viewers = 0;
};

} // namespace robotlive
