FROM busybox AS a
RUN echo 'hello world great none $WHO' > /open && echo 'hello $WHO' > /closed
FROM busybox
ARG WHO=world
ENV HOW=great
COPY --from=a /open /open
COPY --from=a /closed /closed
