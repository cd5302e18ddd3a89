defmodule Pipeline.Package.Problem do
  @moduledoc false
  # The errors of this layer: `Pipeline.Plugin.Error` with a sentence for each reason.

  alias Pipeline.Foreign
  alias Pipeline.Plugin.Error

  @doc "The error of an operation on a package, which is called by its name or by where it comes from."
  @spec error(Error.operation(), String.t(), term) :: Error.t()
  def error(_operation, _subject, %Error{} = error), do: error

  def error(operation, subject, reason) do
    detail = sentence(reason)
    message = "could not #{operation} the package #{Foreign.line(subject)}: #{detail}"
    %Error{operation: operation, step: :package, reason: reason, detail: detail, message: message}
  end

  @doc "Why, and what to do."
  @spec sentence(term) :: String.t()
  def sentence({:too_large, :archive, limit}),
    do: "it has more than #{limit} bytes; if it is to be trusted, give a larger max_bytes:"

  def sentence({:too_large, :unpacked, limit}),
    do: "it unpacks to more than #{limit} bytes; if it is to be trusted, give a larger max_unpacked:"

  def sentence({:too_large, :files, limit}),
    do: "it has more than #{limit} files; if it is to be trusted, give a larger max_files:"

  def sentence({:bad_archive, sentence}),
    do: "#{Foreign.line(sentence)}; build it again with mix pipeline.package, or fetch it again"

  def sentence({:bad_path, path}),
    do:
      "its file #{Foreign.term(path)} would leave the folder or has a name that not every system takes; it is refused"

  def sentence({:link, path}),
    do: "its file #{Foreign.path(path)} is a link or a device, where files belong; it is refused"

  def sentence({:no_manifest, "plugin.json"}),
    do: "there is no plugin.json in it; build the package with mix pipeline.package"

  def sentence({:no_manifest, path}),
    do: "there is no plugin.json in #{Foreign.path(path)}; build the package with mix pipeline.package"

  def sentence({:invalid_manifest, sentence}),
    do: "its plugin.json #{Foreign.line(sentence)}; build it again with mix pipeline.package"

  def sentence({:missing_file, path}),
    do: "its file #{Foreign.path(path)} is missing; fetch or build it again"

  def sentence({:unlisted_file, path}),
    do: "its file #{Foreign.path(path)} is not listed in plugin.json, so nobody vouches for it; it is refused"

  def sentence({:hash_mismatch, path}),
    do:
      "its file #{Foreign.path(path)} is not the one that plugin.json lists: it was changed; fetch or build it again"

  def sentence({:module_mismatch, module}),
    do: "the code of its module #{Foreign.line(module)} is not what plugin.json lists; build it again"

  def sentence({:module_twice, module}),
    do: "it has the module #{Foreign.line(module)} twice; leave one of the two out"

  def sentence(:bad_signature),
    do: "its signature is not one of its plugin.json: it was changed after it was signed"

  def sentence(:unsigned),
    do:
      "it has no signature, and only packages signed by a key of trust: are taken; sign it with mix pipeline.package --sign"

  def sentence({:untrusted, key}),
    do: "it is signed by #{key}, which is not among the keys of trust:; add the key, if it is to be trusted"

  def sentence({:wrong_platform, platforms, have}) do
    "it has native libraries for #{Foreign.line(Enum.join(platforms, ", "))}, and this is #{have}; " <>
      "build it on #{have}"
  end

  def sentence({:requires, :otp, needed, have}),
    do: "it was built on OTP #{needed}, and this is OTP #{have}; build it on OTP #{have} or older"

  def sentence({:requires, what, needed, have}),
    do:
      "it needs #{name(what)} #{needed}, and this is #{have}; take another version of the package or of #{name(what)}"

  def sentence({:disk, path, posix}),
    do: "#{Foreign.path(path)} cannot be read or written: #{:file.format_error(posix)}"

  def sentence({:not_found, path}),
    do: "there is no file #{Foreign.path(path)}; give the path of a package, its URL or its bytes"

  def sentence({:bad_url, url}), do: "#{Foreign.line(url)} is no URL of the form http:// or https://"

  def sentence({:download, {:status, status}}),
    do: "the server answered with the status #{status}; check the URL"

  def sentence({:download, {:too_many_redirects, most}}),
    do: "the server redirected more than #{most} times; give the URL that it leads to"

  def sentence({:download, {:insecure_redirect, url}}),
    do: "the server redirected from https to #{Foreign.line(url)}, which is not followed; give an https URL"

  def sentence({:download, :timeout}),
    do: "the server took too long; try again, or give a longer timeout:"

  def sentence({:download, :no_length}),
    do: "the server does not say how long its answer is; serve the file with a content-length"

  def sentence({:download, :no_certificates}),
    do: "the certificates of the operating system are missing; install ca-certificates"

  def sentence({:download, reason}), do: "the download failed with #{Foreign.term(reason)}; try again"

  def sentence(:no_packages_folder),
    do: "there is no folder for packages; start the instance with packages: \"/path\", or pass packages: here"

  def sentence({:already_installed, name, version}) do
    "another package #{name} #{version} is installed; uninstall it first, or give the new one another version"
  end

  def sentence({:not_installed, name}),
    do: "#{Foreign.line(name)} is not installed; Pipeline.Package.list/1 shows what is"

  def sentence({:several_versions, versions}),
    do: "it is installed in the versions #{Enum.join(versions, ", ")}; name one, as in NAME-VERSION"

  def sentence({:in_use, users}),
    do: "it is loaded by #{Enum.map_join(users, ", ", &user/1)}; unload it there first"

  def sentence({:module_clash, clashes}) do
    parts = for {module, owner} <- clashes, do: "#{inspect(module)} is loaded from #{owner}"

    "#{Enum.join(Enum.take(parts, 5), ", ")}, and the package has another version of it; build the package with that " <>
      "version, leave it to the host with only: :host, or unload the other with purge: true"
  end

  def sentence({:protocol, protocol, reason}) do
    "it implements the protocol #{inspect(protocol)}, which is consolidated in the host and cannot be made to know that: " <>
      protocol_sentence(reason)
  end

  def sentence({:used_by, users}) do
    "its code is used by #{Enum.map_join(users, ", ", &user/1)}, and code is one for the whole VM; " <>
      "unload it in the others first, or upgrade it in all with instances: :all"
  end

  def sentence({:changed, path}),
    do:
      "another state of #{Foreign.path(path)} is loaded; upgrade the plugin to it, or unload it with purge: true first"

  def sentence({:no_plugin, path}),
    do: "there is no plugin in #{Foreign.path(path)}; no module uses Pipeline.Plugin"

  def sentence({:several_plugins, modules}),
    do:
      "it has several plugins: #{Enum.map_join(modules, ", ", &inspect/1)}; load them by Pipeline.Plugin.Discovery"

  def sentence({:invalid_app, path}),
    do: "#{Foreign.path(path)} is no description of an application; build it again"

  def sentence({:bad_key, what}), do: "#{what} is not a key; mix pipeline.package --new-key PATH makes a pair"
  def sentence(reason), do: Error.sentence(reason)

  defp protocol_sentence(:changed),
    do: "its code is not what its file has, so there would be no way back; start the host again"

  defp protocol_sentence({:code_in_use, pids}),
    do: "the processes #{Foreign.term(pids)} still run its code from before; try again when they have ended"

  defp protocol_sentence({:other_functions, functions}),
    do:
      "it has functions of its own, #{Foreign.term(functions)}; put consolidate_protocols: false into the host's mix.exs"

  defp user({instance, id}), do: "#{Foreign.term(id)} in #{Foreign.term(instance)}"

  defp name(:elixir), do: "Elixir"
  defp name(:pipeline_plugin), do: "pipeline_plugin"
end
