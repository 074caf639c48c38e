FROM busybox
COPY dir /1
RUN rm -r /1/b
COPY dir /2
RUN rm /2/b/c /2/.hidden
COPY . /3/
RUN rm /3/dir/a
COPY file exec /4/
