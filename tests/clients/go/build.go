// Builds the Dockerfile of a directory and prints what happens: build DIRECTORY [TAG]
//
// Needs what protoc-gen-go and protoc-gen-go-grpc make of proto/zlayer/v1 as package zlayer/v1.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"

	"google.golang.org/grpc"

	pb "zlayer/v1"
)

func upload(ctx context.Context, client pb.BuildServiceClient, tar io.Reader) (string, error) {
	call, err := client.UploadContext(ctx)
	if err != nil {
		return "", err
	}
	start := &pb.UploadStart{Tar: true}
	err = call.Send(&pb.UploadContextRequest{Message: &pb.UploadContextRequest_Start{Start: start}})
	buffer := make([]byte, 1<<20)
	for n := 0; err == nil; {
		if n, err = tar.Read(buffer); n > 0 {
			chunk := &pb.TarChunk{Data: buffer[:n]}
			if call.Send(&pb.UploadContextRequest{Message: &pb.UploadContextRequest_Tar{Tar: chunk}}) != nil {
				break // Recv says why
			}
		}
	}
	if err != nil && err != io.EOF {
		return "", err
	}
	call.CloseSend()
	answer, err := call.Recv()
	return answer.GetReady().GetContextId(), err
}

func build(ctx context.Context, client pb.BuildServiceClient, id string, tags []string) error {
	events, err := client.Build(ctx, &pb.SubmitBuildRequest{Spec: &pb.BuildSpec{
		Tags:     tags,
		Contexts: map[string]*pb.ContextSource{"": {Kind: &pb.ContextSource_Uploaded{Uploaded: id}}},
	}})
	for complete := false; err == nil; {
		var event *pb.BuildEvent
		if event, err = events.Recv(); err == io.EOF && complete {
			return nil
		} else if err == nil {
			fmt.Println(event)
			complete = event.GetBuildComplete() != nil
		}
	}
	if err == io.EOF {
		return fmt.Errorf("the build did not succeed")
	}
	return err
}

func main() {
	if len(os.Args) < 2 {
		log.Fatal("build DIRECTORY [TAG]")
	}
	address := os.Getenv("ZLAYER_ADDRESS")
	if address == "" {
		address = "unix:///run/zlayer/zlayerd.sock"
	}
	channel, err := grpc.Dial(address, grpc.WithInsecure())
	if err != nil {
		log.Fatal(err)
	}
	tar := exec.Command("tar", "-C", os.Args[1], "-c", ".")
	stream, err := tar.StdoutPipe()
	if err != nil {
		log.Fatal(err)
	}
	if err = tar.Start(); err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	client := pb.NewBuildServiceClient(channel)
	id, err := upload(ctx, client, stream)
	if err == nil {
		err = tar.Wait()
	}
	if err == nil {
		err = build(ctx, client, id, os.Args[2:])
	}
	if err != nil {
		log.Fatal(err)
	}
}
