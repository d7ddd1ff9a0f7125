#include "cluster/etcd_client.h"

#include <curl/curl.h>
#include <errno.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/etcd_answer.h"
#include "cluster/etcd_lines.h"
#include "cluster/etcd_login.h"

#define CONNECT_MS 1000L
#define CALL_MS 2000L
#define POLL_MS 1000

/* One request on its way. */
struct transfer {
	CURL *easy; /* NULL: none */
	struct curl_slist *headers;
	char *body;
	etcd_stream_sink *sink;
	void *context;
	int sink_result;
	bool is_done;
	CURLcode code;
	char reason[CURL_ERROR_SIZE];
};

struct etcd_client {
	const struct etcd_config *config;
	CURLM *multi;
	unsigned member; /* that is asked, in the configuration's list */
	char *token;	 /* NULL: none, or none yet */
	struct transfer call, stream;
	struct etcd_lines answer; /* of the call */
	atomic_bool is_stopped;
};

/* ---- one transfer ---- */

static size_t receive(char *bytes, size_t size, size_t count, void *context)
{
	struct transfer *transfer = context;

	transfer->sink_result = transfer->sink(transfer->context, bytes, size * count);
	return transfer->sink_result < 0 ? 0 : size * count;
}

static void add_header(struct transfer *transfer, const char *name, const char *value)
{
	struct curl_slist *longer;
	char *line;

	if (asprintf(&line, "%s: %s", name, value) < 0)
		return;
	longer = curl_slist_append(transfer->headers, line);
	if (longer)
		transfer->headers = longer;
	free(line);
}

static void set_headers(struct etcd_client *client, struct transfer *transfer)
{
	add_header(transfer, "Content-Type", "application/json");
	/* A watch on a member that has lost the others is to end, rather than be silent. */
	add_header(transfer, "Grpc-Metadata-hasleader", "true");
	if (client->token)
		add_header(transfer, "Authorization", client->token);
	curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers);
}

static void set_secrets(const struct etcd_config *config, CURL *easy)
{
	if (*config->ca)
		curl_easy_setopt(easy, CURLOPT_CAINFO, config->ca);
	if (*config->cert)
		curl_easy_setopt(easy, CURLOPT_SSLCERT, config->cert);
	if (*config->cert_key)
		curl_easy_setopt(easy, CURLOPT_SSLKEY, config->cert_key);
}

static void set_options(struct transfer *transfer, const char *url)
{
	CURL *easy = transfer->easy;

	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	/* A name server that does not answer is not waited for beyond that. */
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, 2L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, 1L);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, transfer->body);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, receive);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->reason);
}

static void end_transfer(struct etcd_client *client, struct transfer *transfer)
{
	if (transfer->easy) {
		curl_multi_remove_handle(client->multi, transfer->easy);
		curl_easy_cleanup(transfer->easy);
	}
	curl_slist_free_all(transfer->headers);
	free(transfer->body);
	memset(transfer, 0, sizeof *transfer);
}

static int begin_transfer(struct etcd_client *client, struct transfer *transfer, const char *path,
	const json_t *body, long limit_ms)
{
	char url[ETCD_ENDPOINT_BYTES + 64];

	snprintf(url, sizeof url, "%s/v3/%s", etcd_client_member(client), path);
	transfer->body = body ? json_dumps(body, JSON_COMPACT) : NULL;
	transfer->easy = curl_easy_init();
	if (!transfer->body || !transfer->easy)
		return -ENOMEM;
	set_options(transfer, url);
	set_secrets(client->config, transfer->easy);
	set_headers(client, transfer);
	curl_easy_setopt(transfer->easy, CURLOPT_TIMEOUT_MS, limit_ms);
	return curl_multi_add_handle(client->multi, transfer->easy) == CURLM_OK ? 0 : -ENOMEM;
}

/* Let everything go on that can, and note what has ended. */
static void go_on(struct etcd_client *client)
{
	struct transfer *transfer;
	const CURLMsg *message;
	int unused;

	curl_multi_perform(client->multi, &unused);
	while ((message = curl_multi_info_read(client->multi, &unused))) {
		CURLcode code = message->data.result;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
		transfer->is_done = true;
		transfer->code = code;
	}
}

/* ---- calls ---- */

static int gather(void *context, const char *bytes, size_t count)
{
	struct etcd_client *client = context;

	return etcd_lines_append(&client->answer, bytes, count);
}

static int judge_status(long status, const json_t *answer, struct error *error)
{
	const char *words = etcd_answer_error(answer);
	int result = -EIO;

	if (status == 200 && !json_object_get(answer, "error"))
		return 0;
	if (status == 404)
		result = -ENOENT;
	else if (status == 401 || status == 403)
		result = -EACCES;
	return error_set(
		error, result, "%s (status %ld)", words ? words : "no reason given", status);
}

static int take_answer(struct etcd_client *client, json_t **answer, struct error *error)
{
	const struct transfer *call = &client->call;
	long status = 0;
	int result;

	if (call->sink_result < 0)
		return error_set(error, call->sink_result, "the answer is too long");
	if (call->code != CURLE_OK)
		return error_set(error, -EIO, "%s",
			*call->reason ? call->reason : curl_easy_strerror(call->code));
	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	*answer = json_loadb(
		client->answer.bytes ? client->answer.bytes : "", client->answer.used, 0, NULL);
	result = judge_status(status, *answer, error);
	if (result == 0 && !json_is_object(*answer))
		result = error_set(error, -EBADMSG, "the answer is no JSON object");
	if (result < 0) {
		json_decref(*answer);
		*answer = NULL;
	}
	return result;
}

static int call_once(struct etcd_client *client, const char *path, const json_t *body,
	json_t **answer, struct error *error)
{
	struct transfer *call = &client->call;
	int result;

	client->answer.used = 0;
	call->sink = gather;
	call->context = client;
	result = begin_transfer(client, call, path, body, CALL_MS);
	if (result < 0)
		error_set(error, result, "no memory for a request");
	while (result == 0 && !call->is_done) {
		go_on(client);
		if (!call->is_done)
			curl_multi_poll(client->multi, NULL, 0, POLL_MS, NULL);
		if (atomic_load(&client->is_stopped))
			result = error_set(error, -ECANCELED, "stopped");
	}
	if (result == 0)
		result = take_answer(client, answer, error);
	end_transfer(client, call);
	return result;
}

static void forget_token(struct etcd_client *client)
{
	free(client->token);
	client->token = NULL;
}

static int log_in(struct etcd_client *client, struct error *error)
{
	json_t *request = NULL, *answer = NULL;
	const char *token;
	int result;

	if (!*client->config->user || client->token)
		return 0;
	result = etcd_login_request(client->config, &request, error);
	if (result == 0)
		result = call_once(client, "auth/authenticate", request, &answer, error);
	json_decref(request);
	if (result < 0)
		return error_prefix(error, result, "user '%s': ", client->config->user);
	token = json_string_value(json_object_get(answer, "token"));
	client->token = token ? strdup(token) : NULL;
	json_decref(answer);
	return client->token ? 0 : error_set(error, -EBADMSG, "no token was given");
}

int etcd_client_call(struct etcd_client *client, const char *path, json_t *body, json_t **answer,
	struct error *error)
{
	bool had_token = client->token;
	int result;

	*answer = NULL;
	result = log_in(client, error);
	if (result == 0)
		result = call_once(client, path, body, answer, error);
	/* A token lasts for minutes, unless it is used. */
	if (result == -EACCES && had_token) {
		forget_token(client);
		result = log_in(client, error);
		if (result == 0)
			result = call_once(client, path, body, answer, error);
	}
	json_decref(body);
	return result;
}

/* ---- the stream ---- */

int etcd_client_open_stream(struct etcd_client *client, const char *path, json_t *body,
	etcd_stream_sink *sink, void *context, struct error *error)
{
	int result;

	etcd_client_close_stream(client);
	result = log_in(client, error);
	if (result == 0) {
		client->stream.sink = sink;
		client->stream.context = context;
		result = begin_transfer(client, &client->stream, path, body, 0);
		if (result < 0)
			error_set(error, result, "no memory for a request");
	}
	json_decref(body);
	if (result < 0)
		etcd_client_close_stream(client);
	return result;
}

void etcd_client_close_stream(struct etcd_client *client)
{
	end_transfer(client, &client->stream);
}

bool etcd_client_has_stream(struct etcd_client *client, struct error *error)
{
	const struct transfer *stream = &client->stream;

	if (stream->easy && !stream->is_done)
		return true;
	if (stream->easy)
		error_set(error, -EIO, "%s",
			*stream->reason ? stream->reason : "the connection was closed");
	return false;
}

/* ---- waiting ---- */

void etcd_client_wait(struct etcd_client *client, unsigned limit_ms)
{
	go_on(client);
	if (!client->stream.is_done)
		curl_multi_poll(client->multi, NULL, 0, (int)limit_ms, NULL);
	go_on(client);
}

void etcd_client_wake(struct etcd_client *client)
{
	curl_multi_wakeup(client->multi);
}

void etcd_client_stop(struct etcd_client *client, bool is_stopped)
{
	atomic_store(&client->is_stopped, is_stopped);
	etcd_client_wake(client);
}

/* ---- members ---- */

void etcd_client_next_member(struct etcd_client *client)
{
	etcd_client_close_stream(client);
	forget_token(client);
	client->member = (client->member + 1) % client->config->endpoint_count;
}

const char *etcd_client_member(const struct etcd_client *client)
{
	return client->config->endpoints[client->member];
}

int etcd_client_create(const struct etcd_config *config, struct etcd_client **client)
{
	struct etcd_client *created = calloc(1, sizeof *created);

	if (!created || sodium_init() < 0 || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		free(created);
		return -ENOMEM;
	}
	created->config = config;
	created->multi = curl_multi_init();
	/* A fleet's hosts spread over the members. */
	created->member = randombytes_uniform(config->endpoint_count);
	if (!created->multi) {
		etcd_client_destroy(created);
		return -ENOMEM;
	}
	*client = created;
	return 0;
}

void etcd_client_destroy(struct etcd_client *client)
{
	etcd_client_close_stream(client);
	forget_token(client);
	etcd_lines_reset(&client->answer);
	if (client->multi)
		curl_multi_cleanup(client->multi);
	curl_global_cleanup();
	free(client);
}
