/* Le générateur de charge : N clients WebSocket dans un seul processus, avec epoll.
 *
 *     load text|deflate|socketio CLIENTS PORT [PORT ...]
 *
 * Il connecte ses clients, les présente, attend le silence et écrit {"ready": N}. Puis, pour chaque
 * ligne « AUTEURS MESSAGES RYTHME » lue, il fait parler les AUTEURS premiers clients à tour de rôle
 * (RYTHME messages par seconde ; 0 : aussi vite que le serveur les prend), attend que tout soit
 * arrivé et écrit ses mesures en JSON.
 *
 * Un message porte « @ », l'instant prévu de son envoi (16 chiffres, µs) et son numéro (8 chiffres).
 * Chaque client coche ce qu'il reçoit : une ligne perdue, doublée ou rendue à son auteur se voit. La
 * latence part de l'instant prévu : un serveur débordé ne gagne rien à ne plus lire.
 *
 * « deflate » demande la compression, qu'il ne sait pas lire : chaque trame compte alors pour une
 * ligne. « socketio » met chaque texte dans un événement de Socket.IO, sans répondre à ses pings.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define TEXT 100                 /* octets par message */
#define WINDOW 64                /* clients qui arrivent ensemble */
#define QUIET 500000             /* µs sans aucun texte : la salle est calme */
#define PATIENCE 5000000         /* µs sans aucune ligne nouvelle : le reste est perdu */
#define BIN 10                   /* µs par case de l'histogramme des latences */
#define BINS 12000000            /* deux minutes */

struct client {
    int fd;                      /* -1 : le serveur a coupé */
    char *rest;                  /* début d'une trame dont la fin n'est pas arrivée */
    size_t rest_size;
    char *out;                   /* ce que le noyau n'a pas encore pris */
    size_t out_size, out_room;
    int waiting;                 /* epoll doit dire quand le noyau en reprendra */
    uint8_t *seen;               /* un bit par message */
    uint64_t order;              /* empreinte de l'ordre de réception */
};

static struct client *clients;
static int count, closed, poller, deflate, socketio;
static int authors, messages, queued;    /* la charge en cours */
static double rate;
static int64_t started, last_line, last_text, last_byte;
static long lines, duplicates, echoes, frames;
static uint32_t *histogram;
static char buffer[4 << 20];

static int64_t clock_us(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static int64_t now(void) { return clock_us(CLOCK_MONOTONIC); }

static void watch(struct client *c, int operation) {
    c->waiting = c->out_size > 0;
    struct epoll_event event = {.events = c->waiting ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = c};
    if (epoll_ctl(poller, operation, c->fd, &event)) err(1, "epoll_ctl");
}

static void drop(struct client *c) {
    close(c->fd);
    c->fd = -1;
    c->out_size = 0;
    closed++;
}

/* Envoie ce qui attend ; le reste partira quand le noyau le voudra. */
static void flush(struct client *c) {
    size_t sent = 0;
    while (sent < c->out_size) {
        ssize_t n = send(c->fd, c->out + sent, c->out_size - sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) break;
        if (n < 0) { drop(c); return; }
        sent += n;
    }
    c->out_size -= sent;
    memmove(c->out, c->out + sent, c->out_size);
    if (c->waiting != (c->out_size > 0)) watch(c, EPOLL_CTL_MOD);
}

static void append(struct client *c, const char *data, size_t size) {
    if (c->out_size + size > c->out_room) {
        c->out_room = 2 * (c->out_size + size);
        c->out = realloc(c->out, c->out_room);
    }
    memcpy(c->out + c->out_size, data, size);
    c->out_size += size;
}

/* Une trame courte, masquée par une clé nulle : le serveur a le même travail qu'avec une autre. */
static void append_frame(struct client *c, int opcode, const char *data, size_t size) {
    char header[6] = {(char)(0x80 | opcode), (char)(0x80 | size)};
    append(c, header, sizeof header);
    append(c, data, size);
}

static void count_lines(struct client *c, const char *text, size_t size) {
    const char *end = text + size;
    while ((text = memchr(text, '@', end - text)) && end - text >= 25) {
        int64_t due = 0, number = 0;
        for (int i = 1; i <= 16; i++) due = due * 10 + (text[i] - '0');
        for (int i = 17; i <= 24; i++) number = number * 10 + (text[i] - '0');
        text += 25;
        if (number >= messages || due < started) continue;   /* d'une charge précédente */
        if (number % authors == c - clients) { echoes++; continue; }
        uint8_t bit = 1 << (number & 7);
        if (c->seen[number >> 3] & bit) { duplicates++; continue; }
        c->seen[number >> 3] |= bit;
        c->order = c->order * 1099511628211ULL + number + 1;
        int64_t bin = (last_byte - due) / BIN;
        histogram[bin < 0 ? 0 : bin < BINS ? bin : BINS - 1]++;
        lines++;
        last_line = last_byte;
    }
}

/* Lit les trames entières de `data` ; rend le nombre d'octets lus. */
static size_t take_frames(struct client *c, const char *data, size_t size) {
    size_t taken = 0;
    while (size - taken >= 2) {
        const uint8_t *p = (const uint8_t *)data + taken;
        size_t length = p[1], header = length < 126 ? 2 : length == 126 ? 4 : 10;
        if (size - taken < header) break;
        if (length >= 126) length = 0;
        for (size_t i = 2; i < header; i++) length = length << 8 | p[i];
        if (size - taken < header + length) break;
        const char *payload = data + taken + header;
        int opcode = p[0] & 0x0f, compressed = p[0] & 0x40;
        taken += header + length;
        frames++;
        if (opcode == 1) last_text = last_byte;
        if (opcode == 1 && messages && compressed) { lines++; last_line = last_byte; }
        else if (opcode == 1 && messages) count_lines(c, payload, length);
        else if (opcode == 9) { append_frame(c, 10, payload, length); flush(c); }
        else if (opcode == 8) drop(c);
        if (c->fd < 0) break;
    }
    return taken;
}

static void receive(struct client *c) {
    memcpy(buffer, c->rest, c->rest_size);
    ssize_t n = recv(c->fd, buffer + c->rest_size, sizeof buffer - c->rest_size, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) { drop(c); return; }
    last_byte = now();
    size_t size = c->rest_size + n, taken = take_frames(c, buffer, size);
    c->rest_size = size - taken;
    c->rest = realloc(c->rest, c->rest_size + 1);
    memcpy(c->rest, buffer + taken, c->rest_size);
}

static void ask(struct client *c, int port) {
    struct sockaddr_in address = {AF_INET, htons(port), {htonl(INADDR_LOOPBACK)}, {0}};
    int yes = 1;
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (void *)&address, sizeof address)) err(1, "connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    dprintf(c->fd,
        "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s\r\n",
        socketio ? "/socket.io/?EIO=4&transport=websocket" : "/", port,
        deflate ? "Sec-WebSocket-Extensions: permessage-deflate\r\n" : "");
}

/* Attend la réponse, et se présente ; désormais la connexion n'attend plus. */
static void introduce(struct client *c) {
    ssize_t size = 0, n = 1;
    buffer[0] = 0;
    for (; n > 0 && !strstr(buffer, "\r\n\r\n"); size += n, buffer[size] = 0)
        n = recv(c->fd, buffer + size, 4096, 0);
    if (strncmp(buffer, "HTTP/1.1 101", 12)) errx(1, "le serveur a refusé une connexion");
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    watch(c, EPOLL_CTL_ADD);
    char hello[64];
    const char *form = socketio ? "42[\"hello\",\"p%d\"]" : "Hello|p%d";
    if (socketio) append_frame(c, 1, "40", 2);           /* Socket.IO : ouvre l'espace « / » */
    append_frame(c, 1, hello, snprintf(hello, sizeof hello, form, (int)(c - clients)));
    flush(c);
}

static void serve(int64_t until) {
    int64_t left = until > now() ? until - now() : 0;
    struct timespec timeout = {left / 1000000, left % 1000000 * 1000};
    struct pollfd any = {.fd = poller, .events = POLLIN};
    struct epoll_event events[512];
    if (ppoll(&any, 1, &timeout, NULL) <= 0) return;    /* epoll_wait() n'est précis qu'à 1 ms */
    int n = epoll_wait(poller, events, 512, 0);
    for (int i = 0; i < n; i++) {
        struct client *c = events[i].data.ptr;
        if (c->fd >= 0 && events[i].events & EPOLLOUT) flush(c);
        if (c->fd >= 0 && events[i].events & ~EPOLLOUT) receive(c);
    }
}

static void wait_for_quiet(int64_t quiet) {
    for (last_text = now(); now() - last_text < quiet;) serve(last_text + quiet);
}

/* Envoie ce qui doit partir maintenant ; rend l'instant du prochain envoi. */
static int64_t speak(void) {
    int64_t at = now(), due = at + QUIET;
    char text[TEXT + 26];
    const char *form = socketio ? "42[\"say\",\"@%016lld%08d%0*d\"]" : "@%016lld%08d%0*d";
    while (queued < messages) {
        due = started + (rate ? (int64_t)(queued * 1e6 / rate) : 0);
        if (due > at) break;
        struct client *c = &clients[queued % authors];
        int size = snprintf(text, sizeof text, form, (long long)due, queued++, TEXT - 25, 0);
        if (c->fd >= 0) append_frame(c, 1, text, size);
    }
    for (int i = 0; i < authors; i++)
        if (clients[i].out_size && !clients[i].waiting) flush(&clients[i]);
    return queued < messages ? due : at + QUIET;
}

static double percentile(double share) {
    long left = lines * share;
    for (long bin = 0; bin < BINS; bin++)
        if ((left -= histogram[bin]) < 0) return (bin + 0.5) * BIN / 1000;
    return 0;
}

/* 1 : tous les clients muets ont tout reçu dans le même ordre ; 0 : non ; -1 : rien à comparer. */
static int same_order(void) {
    if (deflate || count - authors < 2) return -1;
    for (int i = authors + 1; i < count; i++)
        if (clients[i].order != clients[authors].order) return 0;
    return 1;
}

static void run_load(void) {
    long expected = (long)messages * (count - 1);
    queued = 0;
    lines = duplicates = echoes = frames = 0;
    histogram = calloc(BINS, sizeof *histogram);
    for (int i = 0; i < count; i++) {
        clients[i].seen = calloc(messages / 8 + 1, 1);
        clients[i].order = 0;
    }
    int64_t used = clock_us(CLOCK_PROCESS_CPUTIME_ID);
    last_line = started = now();
    while (lines < expected && (queued < messages || now() - last_line < PATIENCE)) serve(speak());
    used = clock_us(CLOCK_PROCESS_CPUTIME_ID) - used;
    wait_for_quiet(QUIET);       /* un double arrive après tout le monde */
    printf("{\"sent\": %d, \"lines\": %ld, \"lost\": %ld, \"duplicates\": %ld, \"echoes\": %ld, "
           "\"frames\": %ld, \"seconds\": %.4f, \"generator_cpu\": %.4f, \"p50\": %.2f, "
           "\"p99\": %.2f, \"p999\": %.2f, \"same_order\": %d, \"closed\": %d}\n",
           messages, lines, expected - lines, duplicates, echoes, frames,
           (last_line - started) / 1e6, used / 1e6, percentile(.5), percentile(.99),
           percentile(.999), same_order(), closed);
    closed = messages = 0;
    for (int i = 0; i < count; i++) free(clients[i].seen);
    free(histogram);
}

int main(int argc, char **argv) {
    if (argc < 4) errx(2, "load text|deflate|socketio CLIENTS PORT [PORT ...]");
    deflate = !strcmp(argv[1], "deflate");
    socketio = !strcmp(argv[1], "socketio");
    count = atoi(argv[2]);
    clients = calloc(count, sizeof *clients);
    poller = epoll_create1(0);
    prctl(PR_SET_TIMERSLACK, 1);         /* ppoll() à la microseconde */
    setlinebuf(stdout);
    for (int i = 0; i < count; i += WINDOW, serve(0)) {
        for (int j = i; j < count && j < i + WINDOW; j++)
            ask(&clients[j], atoi(argv[3 + j % (argc - 3)]));
        for (int j = i; j < count && j < i + WINDOW; j++) introduce(&clients[j]);
    }
    wait_for_quiet(2 * QUIET);
    printf("{\"ready\": %d}\n", count - closed);
    while (scanf("%d %d %lf", &authors, &messages, &rate) == 3) run_load();
    return 0;
}
