defmodule Pipeline.Plugins.Dashboard do
  alias Pipeline.Plugin.ConfigSchema

  @schema [
    port: [type: :non_neg_integer, default: 4040, doc: "Where it listens; 0 takes a free port."],
    address: [
      type: :string,
      default: "127.0.0.1",
      doc: "The address to listen on. Another than loopback needs a `token`."
    ],
    token: [
      type: {:or, [nil, :string]},
      default: nil,
      secret: true,
      doc: "16 bytes or more, see `Pipeline.Dashboard`."
    ],
    actions: [type: :boolean, default: false, doc: "Whether those with the token can change something."],
    max_upload: [
      type: :pos_integer,
      default: 16 * 1024 * 1024,
      doc: "Bytes that the archive of a package may have, with `actions`."
    ]
  ]

  @moduledoc """
  Serves `Pipeline.Dashboard` on http://127.0.0.1:4040, for all instances of this VM.

      {:ok, :dashboard} = Pipeline.Plugin.Manager.load_plugin(Pipeline.Plugins.Dashboard)

  ## Configuration

  #{ConfigSchema.docs(@schema)}
  """

  use Pipeline.Plugin,
    id: :dashboard,
    version: "0.1.0",
    description: "A page in the browser for whoever runs plugins."

  alias Pipeline.Dashboard.Httpd

  capability :dashboard, true

  @impl Pipeline.Plugin
  def config_schema, do: @schema

  @impl Pipeline.Plugin
  def children(config) do
    address =
      case :inet.parse_strict_address(String.to_charlist(config.address)) do
        {:ok, address} ->
          address

        {:error, :einval} ->
          raise ArgumentError, "address: #{inspect(config.address)} is no IP address; give one"
      end

    [
      {Httpd,
       config
       |> Map.take([:port, :token, :actions, :max_upload])
       |> Map.put(:address, address)
       |> Map.to_list()}
    ]
  end
end
