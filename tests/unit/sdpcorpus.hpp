// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Offers as clients of today write them: recvonly video, addresses and keys
// changed.
#pragma once
#include <string>
#include <utility>
#include <vector>

namespace robotlive::test {

inline const std::string kTransport =
    "a=ice-ufrag:Xy7k\r\n"
    "a=ice-pwd:0123456789abcdefghijklmn\r\n"
    "a=ice-options:trickle\r\n"
    "a=fingerprint:sha-256 "
    "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:"
    "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\n"
    "a=setup:actpass\r\n";

inline std::string
chromium_video (const std::string &mid)
{
  return "m=video 9 UDP/TLS/RTP/SAVPF 96 97 98 99 102 122 108 109 123 118 39 "
         "40 45 46\r\n"
         "c=IN IP4 0.0.0.0\r\n"
         "a=rtcp:9 IN IP4 0.0.0.0\r\n" +
         kTransport + "a=mid:" + mid +
         "\r\n"
         "a=extmap:1 urn:ietf:params:rtp-hdrext:toffset\r\n"
         "a=extmap:4 http://www.ietf.org/id/"
         "draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n"
         "a=recvonly\r\n"
         "a=rtcp-mux\r\n"
         "a=rtcp-rsize\r\n"
         "a=rtpmap:96 VP8/90000\r\n"
         "a=rtcp-fb:96 goog-remb\r\n"
         "a=rtcp-fb:96 transport-cc\r\n"
         "a=rtcp-fb:96 ccm fir\r\n"
         "a=rtcp-fb:96 nack\r\n"
         "a=rtcp-fb:96 nack pli\r\n"
         "a=rtpmap:97 rtx/90000\r\n"
         "a=fmtp:97 apt=96\r\n"
         "a=rtpmap:98 VP9/90000\r\n"
         "a=fmtp:98 profile-id=0\r\n"
         "a=rtpmap:99 rtx/90000\r\n"
         "a=fmtp:99 apt=98\r\n"
         "a=rtpmap:102 H264/90000\r\n"
         "a=rtcp-fb:102 nack\r\n"
         "a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;"
         "profile-level-id=42001f\r\n"
         "a=rtpmap:122 rtx/90000\r\n"
         "a=fmtp:122 apt=102\r\n"
         "a=rtpmap:108 H264/90000\r\n"
         "a=rtcp-fb:108 nack\r\n"
         "a=rtcp-fb:108 nack pli\r\n"
         "a=fmtp:108 level-asymmetry-allowed=1;packetization-mode=1;"
         "profile-level-id=42e01f\r\n"
         "a=rtpmap:109 rtx/90000\r\n"
         "a=fmtp:109 apt=108\r\n"
         "a=rtpmap:123 H264/90000\r\n"
         "a=fmtp:123 level-asymmetry-allowed=1;packetization-mode=1;"
         "profile-level-id=4d001f\r\n"
         "a=rtpmap:118 rtx/90000\r\n"
         "a=fmtp:118 apt=123\r\n"
         "a=rtpmap:39 H264/90000\r\n"
         "a=fmtp:39 level-asymmetry-allowed=1;packetization-mode=1;"
         "profile-level-id=f4001f\r\n"
         "a=rtpmap:40 rtx/90000\r\n"
         "a=fmtp:40 apt=39\r\n"
         "a=rtpmap:45 AV1/90000\r\n"
         "a=fmtp:45 level-idx=5;profile=0;tier=0\r\n"
         "a=rtpmap:46 rtx/90000\r\n"
         "a=fmtp:46 apt=45\r\n";
}

inline std::string
session_of (const std::string &bundle, const std::string &more = "")
{
  return "v=0\r\n"
         "o=- 8403615332048243445 2 IN IP4 127.0.0.1\r\n"
         "s=-\r\n"
         "t=0 0\r\n"
         "a=group:BUNDLE " +
         bundle + "\r\n" + more;
}

inline std::string
chromium_offer ()
{
  return session_of ("0", "a=extmap-allow-mixed\r\na=msid-semantic: WMS\r\n") +
         chromium_video ("0");
}

inline std::string
chromium_with_audio_and_data ()
{
  return session_of ("0 1 2", "a=msid-semantic: WMS\r\n") +
         "m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\r\n"
         "c=IN IP4 0.0.0.0\r\n" +
         kTransport +
         "a=mid:0\r\n"
         "a=recvonly\r\n"
         "a=rtcp-mux\r\n"
         "a=rtpmap:111 opus/48000/2\r\n"
         "a=fmtp:111 minptime=10;useinbandfec=1\r\n"
         "a=rtpmap:63 red/48000/2\r\n"
         "a=fmtp:63 111/111\r\n"
         "a=rtpmap:9 G722/8000\r\n"
         "a=rtpmap:126 telephone-event/8000\r\n" +
         chromium_video ("1") +
         "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"
         "c=IN IP4 0.0.0.0\r\n" +
         kTransport +
         "a=mid:2\r\n"
         "a=sctp-port:5000\r\n"
         "a=max-message-size:262144\r\n";
}

// Fingerprint and ICE options stand at the session level.
inline std::string
firefox_shape (bool h264)
{
  return std::string ("v=0\r\n"
                      "o=mozilla...THIS_IS_SDPARTA-99.0 4 0 IN IP4 0.0.0.0\r\n"
                      "s=-\r\n"
                      "t=0 0\r\n"
                      "a=fingerprint:sha-256 "
                      "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:"
                      "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\n"
                      "a=group:BUNDLE 0\r\n"
                      "a=ice-options:trickle\r\n"
                      "a=msid-semantic:WMS *\r\n"
                      "m=video 9 UDP/TLS/RTP/SAVPF 120 124 121 125") +
         (h264 ? " 126 127" : "") +
         "\r\n"
         "c=IN IP4 0.0.0.0\r\n"
         "a=recvonly\r\n"
         "a=fmtp:120 max-fs=12288;max-fr=60\r\n"
         "a=fmtp:124 apt=120\r\n"
         "a=fmtp:121 max-fs=12288;max-fr=60\r\n"
         "a=fmtp:125 apt=121\r\n" +
         (h264 ? "a=fmtp:126 profile-level-id=42e01f;level-asymmetry-allowed=1;"
                 "packetization-mode=1\r\n"
                 "a=fmtp:127 apt=126\r\n"
               : "") +
         "a=ice-pwd:0123456789abcdef0123456789abcdef\r\n"
         "a=ice-ufrag:1f2e3d4c\r\n"
         "a=mid:0\r\n"
         "a=rtcp-fb:120 nack\r\n"
         "a=rtcp-fb:120 nack pli\r\n"
         "a=rtcp-fb:120 ccm fir\r\n"
         "a=rtcp-mux\r\n"
         "a=rtcp-rsize\r\n"
         "a=rtpmap:120 VP8/90000\r\n"
         "a=rtpmap:124 rtx/90000\r\n"
         "a=rtpmap:121 VP9/90000\r\n"
         "a=rtpmap:125 rtx/90000\r\n" +
         (h264 ? "a=rtpmap:126 H264/90000\r\n"
                 "a=rtpmap:127 rtx/90000\r\n"
               : "") +
         "a=setup:actpass\r\n"
         "a=ssrc:1234567 cname:{0000-11}\r\n";
}

inline std::string
firefox_offer ()
{
  return firefox_shape (true);
}

inline std::string
firefox_without_h264 ()
{
  return firefox_shape (false);
}

// aiortc and Pion write several fingerprints or candidates into the offer.
inline std::string
aiortc_offer ()
{
  return session_of ("0", "a=msid-semantic:WMS *\r\n") +
         "m=video 50123 UDP/TLS/RTP/SAVPF 97 98 99 100\r\n"
         "c=IN IP4 192.0.2.7\r\n"
         "a=recvonly\r\n"
         "a=mid:0\r\n"
         "a=rtcp:9 IN IP4 0.0.0.0\r\n"
         "a=rtcp-mux\r\n"
         "a=rtpmap:97 VP8/90000\r\n"
         "a=rtcp-fb:97 nack\r\n"
         "a=rtcp-fb:97 nack pli\r\n"
         "a=rtcp-fb:97 goog-remb\r\n"
         "a=rtpmap:98 rtx/90000\r\n"
         "a=fmtp:98 apt=97\r\n"
         "a=rtpmap:99 H264/90000\r\n"
         "a=fmtp:99 packetization-mode=1;level-asymmetry-allowed=1;"
         "profile-level-id=42001f\r\n"
         "a=rtpmap:100 rtx/90000\r\n"
         "a=fmtp:100 apt=99\r\n"
         "a=candidate:ab12 1 udp 2130706431 192.0.2.7 50123 typ host\r\n"
         "a=candidate:cd34 1 udp 1694498815 198.51.100.4 50123 typ srflx raddr "
         "192.0.2.7 rport 50123\r\n"
         "a=end-of-candidates\r\n"
         "a=ice-ufrag:aZ09\r\n"
         "a=ice-pwd:0123456789abcdefghijkl\r\n"
         "a=fingerprint:sha-256 "
         "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:"
         "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\n"
         "a=fingerprint:sha-384 00:11\r\n"
         "a=setup:actpass\r\n";
}

// The shape of WebKit's, shortened: H.264 first, the higher profile first, RED
// between. offers/safari-*.sdp have all of it.
inline std::string
safari_offer ()
{
  return session_of ("0", "a=msid-semantic: WMS\r\n") +
         "m=video 9 UDP/TLS/RTP/SAVPF 96 97 98 99 100 101 127 125 104\r\n"
         "c=IN IP4 0.0.0.0\r\n"
         "a=rtcp:9 IN IP4 0.0.0.0\r\n" +
         kTransport +
         "a=mid:0\r\n"
         "a=extmap:3 http://www.ietf.org/id/"
         "draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n"
         "a=recvonly\r\n"
         "a=rtcp-mux\r\n"
         "a=rtcp-rsize\r\n"
         "a=rtpmap:96 H264/90000\r\n"
         "a=rtcp-fb:96 transport-cc\r\n"
         "a=rtcp-fb:96 nack\r\n"
         "a=fmtp:96 level-asymmetry-allowed=1;packetization-mode=1;"
         "profile-level-id=640c1f\r\n"
         "a=rtpmap:97 rtx/90000\r\n"
         "a=fmtp:97 apt=96\r\n"
         "a=rtpmap:98 H264/90000\r\n"
         "a=rtcp-fb:98 transport-cc\r\n"
         "a=rtcp-fb:98 nack\r\n"
         "a=fmtp:98 level-asymmetry-allowed=1;packetization-mode=1;"
         "profile-level-id=42e01f\r\n"
         "a=rtpmap:99 rtx/90000\r\n"
         "a=fmtp:99 apt=98\r\n"
         "a=rtpmap:100 VP8/90000\r\n"
         "a=rtcp-fb:100 nack\r\n"
         "a=rtpmap:101 rtx/90000\r\n"
         "a=fmtp:101 apt=100\r\n"
         "a=rtpmap:127 red/90000\r\n"
         "a=rtpmap:125 rtx/90000\r\n"
         "a=fmtp:125 apt=127\r\n"
         "a=rtpmap:104 ulpfec/90000\r\n";
}

// The shape of Pion's: the fingerprint at the session, BUNDLE behind it, long
// ICE credentials of letters alone.
inline std::string
pion_offer ()
{
  return "v=0\r\n"
         "o=- 5735285913829143432 1732472093 IN IP4 0.0.0.0\r\n"
         "s=-\r\n"
         "t=0 0\r\n"
         "a=msid-semantic:WMS *\r\n"
         "a=fingerprint:sha-256 "
         "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:"
         "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\n"
         "a=extmap-allow-mixed\r\n"
         "a=group:BUNDLE 0 1\r\n"
         "m=audio 9 UDP/TLS/RTP/SAVPF 111 9 0 8\r\n"
         "c=IN IP4 0.0.0.0\r\n"
         "a=setup:actpass\r\n"
         "a=mid:0\r\n"
         "a=ice-ufrag:qWeRtYuIoPaSdFgH\r\n"
         "a=ice-pwd:abcdefghijklmnopqrstuvwxyzABCDEF\r\n"
         "a=rtcp-mux\r\n"
         "a=rtcp-rsize\r\n"
         "a=rtpmap:111 opus/48000/2\r\n"
         "a=fmtp:111 minptime=10;useinbandfec=1\r\n"
         "a=rtpmap:9 G722/8000\r\n"
         "a=recvonly\r\n"
         "m=video 9 UDP/TLS/RTP/SAVPF 96 97 102 103\r\n"
         "c=IN IP4 0.0.0.0\r\n"
         "a=setup:actpass\r\n"
         "a=mid:1\r\n"
         "a=ice-ufrag:qWeRtYuIoPaSdFgH\r\n"
         "a=ice-pwd:abcdefghijklmnopqrstuvwxyzABCDEF\r\n"
         "a=rtcp-mux\r\n"
         "a=rtcp-rsize\r\n"
         "a=rtpmap:96 VP8/90000\r\n"
         "a=rtcp-fb:96 goog-remb \r\n"
         "a=rtcp-fb:96 nack \r\n"
         "a=rtpmap:97 rtx/90000\r\n"
         "a=fmtp:97 apt=96\r\n"
         "a=rtpmap:102 H264/90000\r\n"
         "a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;"
         "profile-level-id=42001f\r\n"
         "a=rtpmap:103 rtx/90000\r\n"
         "a=fmtp:103 apt=102\r\n"
         "a=recvonly\r\n";
}

inline std::vector<std::pair<std::string, std::string>>
real_offers ()
{
  return {{"chromium", chromium_offer ()},
      {"chromium, audio and data", chromium_with_audio_and_data ()},
      {"firefox", firefox_offer ()},
      {"firefox without H.264", firefox_without_h264 ()},
      {"safari", safari_offer ()}, {"pion", pion_offer ()},
      {"aiortc", aiortc_offer ()}};
}

} // namespace robotlive::test
