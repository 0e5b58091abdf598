package com.example.call;

import android.app.Activity;
import android.app.KeyguardManager;
import android.app.Notification;
import android.app.NotificationChannel;
import android.app.NotificationManager;
import android.app.PendingIntent;
import android.app.Person;
import android.app.Service;
import android.content.Intent;
import android.content.pm.ServiceInfo;
import android.media.AudioAttributes;
import android.media.AudioDeviceInfo;
import android.media.AudioFocusRequest;
import android.media.AudioManager;
import android.net.ConnectivityManager;
import android.net.Network;
import android.os.IBinder;

/**
 * What Android asks of a call: a foreground service for as long as it lasts, or the system silences the microphone and
 * suspends the app. Needs API 31 and what AndroidManifest.xml next to this file declares.
 *
 * <p>The app's own class extends it, knows the {@link CallClient} and the {@link LocalMedia} of the call, and calls these
 * methods in the order of the guide (../README.md). All of them on the main thread.
 */
public abstract class CallService extends Service {
  private static final String RINGING = "ringing";
  private static final String ONGOING = "ongoing";
  private static final int NOTIFICATION_ID = 1;

  private static final int IN_CALL =
      ServiceInfo.FOREGROUND_SERVICE_TYPE_PHONE_CALL | ServiceInfo.FOREGROUND_SERVICE_TYPE_MICROPHONE;

  private final ConnectivityManager.NetworkCallback networkCallback = new ConnectivityManager.NetworkCallback() {
    @Override
    public void onAvailable(Network network) {
      client().networkChanged();
    }

    @Override
    public void onLost(Network network) {
      client().networkChanged();
    }
  };

  private AudioFocusRequest focus;
  private int types;

  protected abstract CallClient client();

  protected abstract LocalMedia media();

  /** Opens the call's screen; over the lock screen, see {@link #showOverLockScreen}. */
  protected abstract PendingIntent openCall();

  /** Delivers {@code action} ({@code answer}, {@code decline}) to the app. */
  protected abstract PendingIntent action(String action);

  // ── Lock screen ──────────────────────────────────────────────────────────────────────────────

  /**
   * A push says that somebody calls: rings over the lock screen, and prepares the join meanwhile, but does not join:
   * the others would see the user in the call.
   *
   * <p>An app with a ConnectionService (self-managed, or androidx.core.telecom) hands the ringing to Telecom instead,
   * which also settles audio focus and headset buttons; the order of calls stays the same.
   */
  protected void ring(String caller) {
    channel(RINGING, NotificationManager.IMPORTANCE_HIGH);
    Person person = new Person.Builder().setName(caller).setImportant(true).build();
    Notification ringing = new Notification.Builder(this, RINGING)
        .setSmallIcon(android.R.drawable.sym_call_incoming)
        .setCategory(Notification.CATEGORY_CALL)
        .setFullScreenIntent(openCall(), true)
        .setStyle(Notification.CallStyle.forIncomingCall(person, action("decline"), action("answer")))
        .build();
    getSystemService(NotificationManager.class).notify(NOTIFICATION_ID, ringing);
    CallClient.LocalTrack microphone = media().microphone();
    microphone.track().setEnabled(false);
    client().send(microphone);
    client().prepare();
  }

  /** For {@code onCreate} of the activity that {@link #openCall} opens: it stays over the lock screen, without unlocking. */
  public static void showOverLockScreen(Activity activity) {
    activity.setShowWhenLocked(true);
    activity.setTurnScreenOn(true);
  }

  /**
   * The person answers, from the notification or the activity: from then on the system allows the microphone. The order
   * matters: service and audio first, which take no network; then the join, one round trip; the voice last, so that
   * nothing of the room is heard by the others that was said while it rang.
   */
  protected void answer() {
    enterCall();
    client().join().thenRun(() -> client().setMuted("microphone", false));
  }

  /** The camera only where it is seen who uses it: not before the phone is unlocked. */
  protected void startCamera() {
    if (getSystemService(KeyguardManager.class).isKeyguardLocked()) return;
    enterForeground(types | ServiceInfo.FOREGROUND_SERVICE_TYPE_CAMERA);
    client().send(media().simulcastCamera());
  }

  // ── In the call ──────────────────────────────────────────────────────────────────────────────

  /** Before the join, while an activity of the app is visible or its notification was tapped: not from the background. */
  protected void enterCall() {
    enterForeground(IN_CALL);
    AudioManager audio = getSystemService(AudioManager.class);
    AudioAttributes voice = new AudioAttributes.Builder()
        .setUsage(AudioAttributes.USAGE_VOICE_COMMUNICATION)
        .setContentType(AudioAttributes.CONTENT_TYPE_SPEECH)
        .build();
    focus = new AudioFocusRequest.Builder(AudioManager.AUDIOFOCUS_GAIN)
        .setAudioAttributes(voice)
        // A call of the telephone network takes the microphone: muted, so that everybody sees why it is silent.
        .setOnAudioFocusChangeListener(
            change -> client().setMuted("microphone", change != AudioManager.AUDIOFOCUS_GAIN))
        .build();
    audio.requestAudioFocus(focus);
    audio.setMode(AudioManager.MODE_IN_COMMUNICATION);
    getSystemService(ConnectivityManager.class).registerDefaultNetworkCallback(networkCallback);
  }

  /** Loud, unless a headset is connected. */
  protected void useSpeaker(boolean on) {
    AudioManager audio = getSystemService(AudioManager.class);
    audio.clearCommunicationDevice();
    if (!on) return;
    for (AudioDeviceInfo device : audio.getAvailableCommunicationDevices()) {
      if (device.getType() == AudioDeviceInfo.TYPE_BUILTIN_SPEAKER) audio.setCommunicationDevice(device);
    }
  }

  /** {@code onStop} of the activity: audio goes on. The camera would be taken away by the system anyway. */
  protected void enterBackground() {
    client().setPaused("camera", true);
  }

  /** {@code onStart}: whatever was missed is fetched. */
  protected void enterForegroundAgain() {
    client().signalingRestored();
    client().setPaused("camera", false);
  }

  /**
   * The screen. {@code consent} is the result of {@code MediaProjectionManager.createScreenCaptureIntent()}, asked for
   * by an activity and good for one use. Since Android 14 the order is enforced: consent, then the service with its new
   * type, then the projection.
   */
  protected void startScreen(Intent consent) {
    enterForeground(types | ServiceInfo.FOREGROUND_SERVICE_TYPE_MEDIA_PROJECTION);
    client().send(media().screen(consent, this::stopScreen));
  }

  protected void stopScreen() {
    if ((types & ServiceInfo.FOREGROUND_SERVICE_TYPE_MEDIA_PROJECTION) == 0) return;
    client().unpublish("screen").whenCompleteAsync(
        (nothing, problem) -> {
          media().release("screen");
          enterForeground(types & ~ServiceInfo.FOREGROUND_SERVICE_TYPE_MEDIA_PROJECTION);
        },
        getMainExecutor());
  }

  /** For {@code Listener.onState(ENDED)}. */
  protected void exitCall() {
    getSystemService(ConnectivityManager.class).unregisterNetworkCallback(networkCallback);
    AudioManager audio = getSystemService(AudioManager.class);
    audio.clearCommunicationDevice();
    audio.setMode(AudioManager.MODE_NORMAL);
    audio.abandonAudioFocusRequest(focus);
    media().dispose();
    stopForeground(STOP_FOREGROUND_REMOVE);
    stopSelf();
  }

  private void enterForeground(int wanted) {
    types = wanted;
    channel(ONGOING, NotificationManager.IMPORTANCE_LOW);
    Notification ongoing = new Notification.Builder(this, ONGOING)
        .setSmallIcon(android.R.drawable.sym_action_call)
        .setCategory(Notification.CATEGORY_CALL)
        .setContentIntent(openCall())
        .setOngoing(true)
        .build();
    startForeground(NOTIFICATION_ID, ongoing, wanted);
  }

  private void channel(String id, int importance) {
    getSystemService(NotificationManager.class).createNotificationChannel(new NotificationChannel(id, id, importance));
  }

  @Override
  public IBinder onBind(Intent intent) {
    return null;
  }
}
