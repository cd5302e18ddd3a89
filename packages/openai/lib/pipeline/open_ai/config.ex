defmodule Pipeline.OpenAI.Config do
  @moduledoc false
  # The configuration of the provider, and what is derived from it.

  alias Pipeline.Provider.Error

  @schema [
    base_url: [
      type: :string,
      default: "https://api.openai.com/v1",
      doc: "The address of the server, with its version, without a slash at its end."
    ],
    api_key: [
      type: {:or, [:string, {:tuple, [{:in, [:env]}, :string]}]},
      secret: true,
      doc: "The key, or `{:env, name}` for one that is read from the environment at each request."
    ],
    model: [type: :string, required: true, doc: "The model that answers, unless a request names another."],
    embedding_model: [type: :string, doc: "The model of `embed/2`; by default `:model`."],
    organization: [type: :string, doc: "The organization that is charged."],
    connect_timeout: [type: :pos_integer, default: 5_000, doc: "Milliseconds for a connection."],
    first_token_timeout: [
      type: :pos_integer,
      default: 60_000,
      doc: "Milliseconds from the request to the head of the answer, and from there to its first part."
    ],
    token_timeout: [type: :pos_integer, default: 30_000, doc: "Milliseconds between two parts of an answer."],
    timeout: [
      type: :pos_integer,
      default: 600_000,
      doc: "Milliseconds for a whole request, with what is tried again."
    ],
    retries: [
      type: {:in, 0..10},
      default: 2,
      doc: "How often a request is tried again before anything of its answer was delivered."
    ],
    max_retry_after: [
      type: :non_neg_integer,
      default: 20_000,
      doc: "The longest pause, in milliseconds, that a server may ask for; a longer one is an error at once."
    ],
    max_bytes: [
      type: {:in, 1_024..67_108_864},
      default: 8_388_608,
      doc: "The most bytes of an answer, or of one event of a stream."
    ]
  ]

  @spec schema() :: Pipeline.Plugin.ConfigSchema.t()
  def schema, do: @schema

  @doc "A configuration with its defaults, for calls without a plugin."
  @spec new(map) :: {:ok, map} | {:error, Error.t()}
  def new(config) do
    with {:ok, config} <- Pipeline.Plugin.ConfigSchema.validate(config, @schema),
         :ok <- check(config) do
      {:ok, %{config | base_url: String.trim_trailing(config.base_url, "/")}}
    else
      {:error, {_kind, problems}} -> {:error, bad(Enum.map_join(problems, "; ", &to_string/1))}
      {:error, message} -> {:error, bad(message)}
    end
  end

  @doc "Checks what the schema cannot. The message does not show the address, which may hold a password."
  @spec check(map) :: :ok | {:error, String.t()}
  def check(%{base_url: url}) do
    case URI.new(url) do
      {:ok, %URI{scheme: scheme, host: host, userinfo: nil, query: nil, fragment: nil}}
      when scheme in ["http", "https"] and host not in [nil, ""] ->
        :ok

      _ ->
        {:error,
         "base_url: expected an address such as https://api.openai.com/v1, without user, password and query"}
    end
  end

  @doc "The headers of a request."
  @spec headers(map) :: {:ok, [[String.t()]]} | {:error, Error.t()}
  def headers(config) do
    with {:ok, key} <- key(config[:api_key]) do
      authorization = if key, do: [["authorization", "Bearer " <> key]], else: []
      organization = if name = config[:organization], do: [["openai-organization", name]], else: []
      {:ok, [["content-type", "application/json"] | authorization ++ organization]}
    end
  end

  # No message shows the key, nor a part of it.
  defp key(nil), do: {:ok, nil}
  defp key(key) when is_binary(key), do: checked(String.trim(key), "the option api_key")

  defp key({:env, name}) do
    case System.get_env(name) do
      nil ->
        {:error, unauthorized("the variable #{name} of the environment, which api_key names, is not set")}

      key ->
        checked(String.trim(key), "the variable #{name} of the environment")
    end
  end

  defp checked(key, place) do
    if key =~ ~r/\A[\x21-\x7e]+\z/,
      do: {:ok, key},
      else: {:error, unauthorized("#{place} holds no key: a key consists of visible ASCII characters")}
  end

  defp unauthorized(message), do: %Error{kind: :unauthorized, message: message}

  defp bad(message),
    do: %Error{kind: :bad_request, message: "the configuration of the provider is wrong: " <> message}
end
