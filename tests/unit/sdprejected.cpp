// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The SDP guard with m-lines of which webrtcbin must see nothing.
#include "guardtest.hpp"

using namespace robotlive;
using namespace robotlive::test;

namespace {

const std::string kData = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"
                          "c=IN IP4 0.0.0.0\r\n" +
                          kTransport +
                          "a=mid:d\r\n"
                          "a=sctp-port:5000\r\n"
                          "a=max-message-size:262144\r\n";

std::string
data_line (const std::string &mid, const std::string &first_line)
{
  auto text = with (kData, "a=mid:d", "a=mid:" + mid);
  return first_line + text.substr (text.find ("\r\n"));
}

const std::string kWebrtcAnswer =
    "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"
    "a=group:BUNDLE v\r\n"
    "m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\n"
    "a=ice-ufrag:ours\r\na=ice-pwd:oursoursoursoursoursours\r\n"
    "a=mid:v\r\na=setup:active\r\n"
    "a=fmtp:96 level-asymmetry-allowed=1;level-asymmetry-allowed=1;a=b\r\n";

// The m= lines of *sdp*, one after the other.
std::string
m_lines_of (const std::string &sdp)
{
  std::string text;
  for (auto at = sdp.find ("m="); at != std::string::npos;
       at = sdp.find ("\nm=", at)) {
    at += sdp[at] == '\n';
    text += sdp.substr (at, sdp.find ("\r\n", at) - at) + "|";
  }
  return text;
}

} // namespace

// Wherever it stands and however it is spelt, webrtcbin does not see it, and
// the answer has it by port 0 where the offer has it.
TEST (SdpGuard, RejectsWhatIsNoMedia)
{
  const std::string video = "m=video 9 UDP/TLS/RTP/SAVPF 96|";
  for (const std::string line :
      {"m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
          "m=application 9 TCP/DTLS/SCTP webrtc-datachannel",
          "m=application 9 DTLS/SCTP 5000", "m=application 0 DTLS/SCTP 5000",
          "m=application 9 RTP/AVP 96", "m=text 9 UDP/TLS/RTP/SAVPF 98",
          "m=message 9 TCP/MSRP *", "m=image 9 udptl t38",
          "m=audio 0 UDP/TLS/RTP/SAVPF 0", "m=video 0 RTP/AVP 0"}) {
    const auto other = [&line] (
                           const char *mid) { return data_line (mid, line); };
    const auto space = line.find (' '), port = line.find (' ', space + 1);
    const auto no = line.substr (0, space) + " 0" + line.substr (port) + "|";
    const auto picture = chromium_video ("v");
    const struct
    {
      std::string sdp, answered;
      unsigned transport_line;
    } cases[] = {
        {session_of ("v a") + picture + other ("a"), video + no, 0},
        {session_of ("a v") + other ("a") + picture, no + video, 1},
        {session_of ("v") + other ("a") + picture, no + video, 1},
        {session_of ("v a") + other ("a") + picture, no + video, 1},
        {session_of ("a v b") + other ("a") + picture + other ("b"),
            no + video + no, 1},
        {session_of ("a b v") + other ("a") + other ("b") + picture,
            no + no + video, 2},
        {session_of ("v a b") + picture + other ("a") + other ("b"),
            video + no + no, 0},
    };
    for (const auto &c : cases) {
      const auto outcome = guard (c.sdp);
      ASSERT_TRUE (outcome.ok) << line << ": " << outcome.error;
      const auto &offer = outcome.offer;
      EXPECT_EQ (m_lines_of (offer.sdp), "m=video 9 UDP/TLS/RTP/SAVPF 96 97|");
      EXPECT_NE (offer.sdp.find ("a=group:BUNDLE v\r\n"), std::string::npos);
      EXPECT_EQ (offer.sdp.find ("sctp"), std::string::npos);
      EXPECT_EQ (offer.m_line, 0u);
      EXPECT_EQ (offer.mid, "v");
      EXPECT_EQ (offer.transport_line, c.transport_line);
      const auto answer = complete_answer (kWebrtcAnswer, offer);
      EXPECT_EQ (m_lines_of (answer), c.answered) << line;
      EXPECT_NE (answer.find ("a=group:BUNDLE v\r\n"), std::string::npos);
      EXPECT_NE (answer.find ("a=mid:a\r\n"), std::string::npos);
      EXPECT_EQ (answer.find ("sctp-port"), std::string::npos);
    }
  }
}

TEST (SdpGuard, RejectsADataChannelBesideSoundToo)
{
  RobotStreams streams{{kVp8}};
  streams.audio = true;
  const auto base = chromium_with_audio_and_data ();
  const auto cut = base.find ("m=application");
  const auto first = base.find ("m=audio");
  const auto data = base.substr (cut);
  auto moved = base.substr (0, first) + data + base.substr (first, cut - first);
  moved = with (moved, "BUNDLE 0 1 2", "BUNDLE 2 0 1");
  const auto outcome = guard (moved, streams);
  ASSERT_TRUE (outcome.ok) << outcome.error;
  EXPECT_EQ (outcome.offer.m_line, 1u);
  ASSERT_TRUE (outcome.offer.audio);
  EXPECT_EQ (outcome.offer.audio->m_line, 0u);
  EXPECT_EQ (outcome.offer.transport_line, 1u);
  EXPECT_EQ (outcome.offer.mid, "0");
  // Without a picture there is nothing to answer with.
  EXPECT_FALSE (guard (with (moved, "m=video 9", "m=video 0"), streams).ok);
  EXPECT_FALSE (guard (session_of ("d") + kData).ok);
}

// One that bundles from the start names its candidates in the first m-line.
TEST (SdpGuard, TakesTheCandidatesOfARejectedMLine)
{
  const std::string candidate =
      "a=candidate:1 1 udp 1 192.0.2.9 9 typ host\r\n";
  auto data = with (kData, "a=mid:d", candidate + "a=mid:d");
  const auto video =
      with (chromium_video ("v"), "a=mid:v", "a=bundle-only\r\na=mid:v");
  const auto bundled = with (video, "m=video 9", "m=video 0");
  const auto outcome = guard (session_of ("d v") + data + bundled);
  ASSERT_TRUE (outcome.ok) << outcome.error;
  EXPECT_NE (outcome.offer.sdp.find (candidate), std::string::npos);
  // Not those of a transport that is not used.
  data = with (data, "a=ice-ufrag:Xy7k", "a=ice-ufrag:Zz9z");
  const auto apart = guard (session_of ("d v") + data + bundled);
  ASSERT_TRUE (apart.ok) << apart.error;
  EXPECT_EQ (apart.offer.sdp.find ("192.0.2.9"), std::string::npos);
  EXPECT_EQ (apart.offer.ice_ufrag, "Xy7k");
}

TEST (SdpGuard, RefusesARejectedMLineThatCannotBeWrittenAgain)
{
  const auto base = session_of ("d v") + kData + chromium_video ("v");
  ASSERT_TRUE (guard (base).ok);
  const struct
  {
    const char *from, *to;
  } cases[] = {{"m=application 9", "m=appli,cation 9"},
      {"UDP/DTLS/SCTP", "UDP/DTLS/SC;TP"}, {"UDP/DTLS/SCTP", ""},
      {"webrtc-datachannel", "webrtc@datachannel"}, {" webrtc-datachannel", ""},
      {"a=mid:d", "a=mid:v"}, {"a=mid:d", "a=mid:a b"},
      {"a=mid:d", "a=mid:d\r\na=mid:e"}, {"BUNDLE d v", "BUNDLE d d v"},
      {"BUNDLE d v", "BUNDLE d v v"}, {"BUNDLE d v", "BUNDLE d"},
      {"BUNDLE d v", "BUNDLE d v x"}};
  for (const auto &c : cases)
    EXPECT_FALSE (guard (with (base, c.from, c.to)).ok) << c.to;
  // It need not have a name.
  const auto nameless =
      guard (with (with (base, "BUNDLE d v", "BUNDLE v"), "a=mid:d\r\n", ""));
  ASSERT_TRUE (nameless.ok) << nameless.error;
  EXPECT_EQ (nameless.offer.rejected.front ().mid, "");
}

TEST (SdpGuard, WritesAParameterOnce)
{
  const auto outcome = guard (session_of ("v") + chromium_video ("v"));
  const auto answer = complete_answer (kWebrtcAnswer, outcome.offer);
  EXPECT_NE (answer.find ("a=fmtp:96 level-asymmetry-allowed=1;a=b\r\n"),
      std::string::npos)
      << answer;
}
