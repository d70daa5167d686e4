// SPDX-License-Identifier: LGPL-2.1-or-later
//
// robotlive-doctor: the checks as a table or as JSON.
#include "config.h"
#include "doctor.hpp"
#include <cstdio>
#include <gst/gst.h>
#include <json-glib/json-glib.h>
#include <sysexits.h>

using namespace robotlive::robot;

namespace {

void
print_json (const Checks &checks, bool healthy)
{
  JsonBuilder *builder = json_builder_new ();
  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "ok");
  json_builder_add_boolean_value (builder, healthy);
  json_builder_set_member_name (builder, "checks");
  json_builder_begin_array (builder);
  for (const Check &check : checks) {
    json_builder_begin_object (builder);
    json_builder_set_member_name (builder, "check");
    json_builder_add_string_value (builder, check.name.c_str ());
    json_builder_set_member_name (builder, "status");
    json_builder_add_string_value (builder, health_name (check.health));
    json_builder_set_member_name (builder, "text");
    json_builder_add_string_value (builder, check.text.c_str ());
    json_builder_set_member_name (builder, "remedy");
    json_builder_add_string_value (builder, check.remedy.c_str ());
    json_builder_end_object (builder);
  }
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  JsonNode *root = json_builder_get_root (builder);
  gchar *text = json_to_string (root, TRUE);
  puts (text);
  g_free (text);
  json_node_unref (root);
  g_object_unref (builder);
}

void
print_table (const Checks &checks)
{
  for (const Check &check : checks) {
    printf ("%-8s %-8s %s\n", health_name (check.health), check.name.c_str (),
        check.text.c_str ());
    if (!check.remedy.empty () && check.health != Health::Ok)
      printf ("%-8s %-8s   -> %s\n", "", "", check.remedy.c_str ());
  }
}

} // namespace

int
main (int argc, char **argv)
{
  gchar *config = nullptr;
  gchar *pipelines = nullptr;
  gboolean json = FALSE;
  gboolean version = FALSE;
  const GOptionEntry entries[] = {
      {"config", 'c', 0, G_OPTION_ARG_FILENAME, &config,
          "Read FILE instead of /etc/robotlive/robot.conf", "FILE"},
      {"pipelines", 0, 0, G_OPTION_ARG_FILENAME, &pipelines,
          "Take the .launch files from DIR", "DIR"},
      {"json", 0, 0, G_OPTION_ARG_NONE, &json, "Print JSON", nullptr},
      {"version", 0, 0, G_OPTION_ARG_NONE, &version, "Print the version",
          nullptr},
      {nullptr, 0, 0, G_OPTION_ARG_NONE, nullptr, nullptr, nullptr},
  };
  GOptionContext *context =
      g_option_context_new ("- find out why there is no picture");
  g_option_context_add_main_entries (context, entries, nullptr);
  GError *error = nullptr;
  bool parsed = g_option_context_parse (context, &argc, &argv, &error);
  g_option_context_free (context);
  if (!parsed || argc > 1) {
    fprintf (stderr, "robotlive-doctor: %s\n",
        error ? error->message : "unexpected argument");
    g_clear_error (&error);
    return EX_USAGE;
  }
  if (version) {
    puts ("robotlive-doctor " VERSION);
    return EX_OK;
  }
  gst_init (nullptr, nullptr);

  RobotConf conf;
  ProbeOptions options;
  options.folder = pipelines ? pipelines : PIPELINES_DIR;
  Checks checks = {
      check_config (config ? config : "/etc/robotlive/robot.conf", conf)};
  auto add = [&] (const Checks &more) {
    checks.insert (checks.end (), more.begin (), more.end ());
  };
  add (check_plugins (conf));
  add ({check_internals ()});
  const Checks folder = check_pipelines (options.folder);
  add (folder);
  if (folder.empty ())
    add ({check_camera (conf, options), check_encoder (conf, options)});
  else
    add ({{"camera", Health::Skipped, "it is tried with its pipeline"},
        {"encoder", Health::Skipped, "it is tried with its pipeline"}});
  add ({check_clock (), check_network (),
      check_token (conf, g_get_real_time () / G_USEC_PER_SEC)});
  add (check_server (conf));
  add ({check_grant_key (conf)});
  g_free (config);
  g_free (pipelines);

  bool healthy = true;
  for (const Check &check : checks)
    healthy = healthy && check.health != Health::Failed;
  if (json)
    print_json (checks, healthy);
  else
    print_table (checks);
  return healthy ? EX_OK : 1;
}
